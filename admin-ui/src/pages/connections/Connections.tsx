import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { Schema } from "../../api/client";
import { useConnections, useMerchantSlug } from "../../api/merchants";
import { useTexts } from "../../language/language";
import { CopyButton } from "../../parts/Copy";
import { Empty } from "../../parts/Empty";
import { Moment } from "../../parts/Moment";
import { Page } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { Status } from "../../parts/Status";
import { wholeList } from "../../parts/whole";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { NewConnection } from "./NewConnection";
import { usePlugins } from "./read";
import { connectionWords } from "./words";

type Connection = Schema["ConnectionView"];

export function Connections() {
  const t = useTexts(connectionWords);
  const w = useTexts(words);
  const merchant = useMerchantSlug();
  const connections = useConnections(merchant);
  const plugins = usePlugins();
  const allowed = useMay("connections:write", merchant);
  const [adding, setAdding] = useDisclosure();
  const columns: Column<Connection>[] = [
    { key: "slug", title: w.name, cell: ({ slug }) => <Link to={`/m/${merchant}/connections/${slug}`}>{slug}</Link> },
    {
      key: "plugin",
      title: t.plugin,
      cell: ({ plugin }) => plugins?.find(({ name }) => name === plugin)?.title ?? plugin,
    },
    { key: "status", title: w.status, narrow: "beside", cell: ({ status }) => <Status of={status} /> },
    {
      key: "path",
      title: t.path,
      cell: ({ path }) => (
        <span className="tg-id">
          <span className="mono">{path}</span>
          <CopyButton value={path} />
        </span>
      ),
    },
    {
      key: "certificate",
      title: t.certExpiry,
      cell: ({ identity }) => identity && <Expiry at={identity.not_after} />,
    },
    { key: "changed", title: w.changed, narrow: "hidden", cell: ({ updated_at }) => <Moment at={updated_at} /> },
  ];
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={setAdding.open} disabled={!allowed}>
      {t.add}
    </Button>
  );
  return (
    <Page title={t.title} action={(connections.data?.data.length ?? 0) > 0 && add}>
      <Rows
        label={t.title}
        columns={columns}
        list={wholeList(connections)}
        id={({ id }) => id}
        to={({ slug }) => `/m/${merchant}/connections/${slug}`}
        empty={
          <Empty title={t.empty} action={add}>
            {t.emptyText}
          </Empty>
        }
      />
      {adding && <NewConnection merchant={merchant} onClose={setAdding.close} />}
    </Page>
  );
}

const DAY_MS = 86_400_000;
const SOON_DAYS = 30;

/** When a certificate ends, and louder the nearer that is. */
export function Expiry({ at }: { at: string }) {
  const t = useTexts(connectionWords);
  const days = (Date.parse(at) - Date.now()) / DAY_MS;
  const tone = days < 0 ? "tg-red" : days < SOON_DAYS ? "tg-amber" : undefined;
  return (
    <span className={tone}>
      {days < 0 && `${t.expired} `}
      <Moment at={at} as={days < SOON_DAYS && days > 0 ? "ago" : "day"} />
    </span>
  );
}
