import { Link } from "@tanstack/react-router";
import type { Schema } from "../../api/client";
import { useConnections, useMerchantSlug } from "../../api/merchants";
import { texts, useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { Page } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { wholeList } from "../../parts/whole";
import { words } from "../../parts/words";
import { Expiry } from "../connections/Connections";

const certificateWords = texts(
  {
    title: "Certificates",
    intro: "What connections show their networks, the soonest to expire first.",
    empty: "No connection shows a certificate",
    emptyText: "Where a network wants one, upload its PKCS12 file on the connection's page. It is kept sealed, and its end is watched.",
    subject: "Subject",
    issuer: "Issuer",
    until: "Valid until",
    action: "To the connections",
  },
  {
    title: "Сертификаты",
    intro: "То, что подключения показывают сетям; первыми те, что скорее истекут.",
    empty: "Ни одно подключение не показывает сертификата",
    emptyText: "Если сеть его требует, загрузите файл PKCS12 на странице подключения. Он хранится запечатанным, за сроком следят.",
    subject: "Кому",
    issuer: "Кем выдан",
    until: "Действует до",
    action: "К подключениям",
  },
);

type Shown = Schema["ConnectionView"] & { identity: Schema["CertificateInfo"] };

export function Certificates() {
  const t = useTexts(certificateWords);
  const w = useTexts(words);
  const merchant = useMerchantSlug();
  const list = wholeList(useConnections(merchant));
  const rows = list.rows?.filter((connection): connection is Shown => !!connection.identity).sort((a, b) => a.identity.not_after.localeCompare(b.identity.not_after));
  const columns: Column<Shown>[] = [
    { key: "connection", title: w.connection, cell: ({ slug }) => <Link to={`/m/${merchant}/connections/${slug}`}>{slug}</Link> },
    { key: "subject", title: t.subject, cell: ({ identity }) => <span className="mono tg-url">{identity.subject}</span> },
    { key: "issuer", title: t.issuer, wideOnly: true, cell: ({ identity }) => <span className="mono tg-url">{identity.issuer}</span> },
    { key: "until", title: t.until, cell: ({ identity }) => <Expiry at={identity.not_after} /> },
  ];
  return (
    <Page title={t.title} intro={t.intro}>
      <Rows
        label={t.title}
        columns={columns}
        list={{ ...list, rows }}
        id={({ id }) => id}
        to={({ slug }) => `/m/${merchant}/connections/${slug}`}
        empty={
          <Empty title={t.empty} action={<Link to={`/m/${merchant}/connections`}>{t.action}</Link>}>
            {t.emptyText}
          </Empty>
        }
      />
    </Page>
  );
}
