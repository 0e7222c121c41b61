import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ask, type Schema } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import { useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { Page } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { Status } from "../../parts/Status";
import { wholeList } from "../../parts/whole";
import { words } from "../../parts/words";
import { Expiry } from "../connections/Connections";
import { certificateWords } from "../connections/certificateWords";

type Use = Schema["CertificateUse"];

export function Certificates() {
  const t = useTexts(certificateWords);
  const w = useTexts(words);
  const merchant = useMerchantSlug();
  const uses = useQuery({
    queryKey: ["certificates", merchant],
    queryFn: () => ask<{ data: Use[] }>("GET", `/admin/v1/merchants/${merchant}/certificates`),
  });
  const columns: Column<Use>[] = [
    {
      key: "connection",
      title: w.connection,
      cell: ({ connection }) => <Link to={`/m/${merchant}/connections/${connection}`}>{connection}</Link>,
    },
    { key: "role", title: t.role, cell: ({ role }) => t.roles[role] ?? role },
    {
      key: "subject",
      title: t.subject,
      cell: ({ certificate, sha256 }) => (
        <span className="mono tg-url">{certificate?.subject ?? `${sha256.slice(0, 24)}…`}</span>
      ),
    },
    { key: "standing", title: t.standing, cell: ({ standing }) => <Status of={standing} /> },
    { key: "ends", title: t.ends, cell: ({ not_after }) => (not_after ? <Expiry at={not_after} /> : "—") },
  ];
  return (
    <Page title={t.pageTitle} intro={t.pageIntro}>
      <Rows
        label={t.pageTitle}
        columns={columns}
        list={wholeList(uses)}
        id={({ connection, sha256 }) => `${connection} ${sha256}`}
        to={({ connection }) => `/m/${merchant}/connections/${connection}`}
        empty={
          <Empty title={t.pageNone} action={<Link to={`/m/${merchant}/connections`}>{t.toConnections}</Link>}>
            {t.pageNoneText}
          </Empty>
        }
      />
    </Page>
  );
}
