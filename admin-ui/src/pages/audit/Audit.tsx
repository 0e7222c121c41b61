import { useState } from "react";
import { ask, type Schema } from "../../api/client";
import { useMerchantSlug, useMerchants } from "../../api/merchants";
import { Code } from "../../code/Code";
import { useTexts } from "../../language/language";
import { Id } from "../../parts/Copy";
import { Empty } from "../../parts/Empty";
import { Exports } from "../../parts/Exports";
import { type PageOf, useCursorList } from "../../parts/list";
import { Moment } from "../../parts/Moment";
import { Page } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { words } from "../../parts/words";
import { actionWords, auditWords } from "./words";

type Entry = Schema["AuditView"];

export function MerchantAudit() {
  const merchant = useMerchantSlug();
  return <Trail path={`/admin/v1/merchants/${merchant}/audit`} action={<Exports merchant={merchant} kind="audit" />} />;
}

export function OperatorAudit() {
  return <Trail path="/admin/v1/audit" everybody />;
}

interface TrailProps {
  path: string;
  /** Of all merchants and of the installation: whose an entry is has to be said. */
  everybody?: boolean;
  action?: React.ReactNode;
}

function Trail({ path, everybody = false, action }: TrailProps) {
  const t = useTexts(auditWords);
  const w = useTexts(words);
  const actions = useTexts(actionWords);
  const [open, setOpen] = useState<string>();
  const merchants = useMerchants();
  const names = new Map(merchants?.map(({ id, name }) => [id, name]));
  const list = useCursorList<Entry>(["audit", path], (cursor) =>
    ask<PageOf<Entry>>("GET", `${path}?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`),
  );
  const toggle = (id: string) => setOpen(open === id ? undefined : id);
  const columns: Column<Entry>[] = [
    {
      key: "action",
      title: t.action,
      cell: (entry) => (
        <button
          type="button"
          className={actions[entry.action] ? "tg-plain" : "tg-plain mono"}
          aria-expanded={open === entry.id}
          onClick={() => toggle(entry.id)}
        >
          {actions[entry.action] ?? entry.action}
        </button>
      ),
    },
    { key: "subject", title: t.subject, cell: (entry) => <span className="mono tg-url">{entry.subject}</span> },
    ...(everybody
      ? [
          {
            key: "merchant",
            title: t.merchant,
            cell: ({ merchant_id }: Entry) =>
              merchant_id ? (
                (names.get(merchant_id) ?? <span className="mono">{merchant_id}</span>)
              ) : (
                <span className="tg-quiet">{t.installation}</span>
              ),
          },
        ]
      : []),
    { key: "actor", title: t.actor, cell: (entry) => entry.actor },
    {
      key: "address",
      title: t.from,
      narrow: "hidden",
      cell: (entry) => entry.address && <span className="mono">{entry.address}</span>,
    },
    { key: "time", title: w.time, cell: (entry) => <Moment at={entry.created_at} /> },
  ];
  return (
    <Page title={t.title} intro={t.intro} action={action}>
      <Rows
        label={t.title}
        columns={columns}
        list={list}
        id={({ id }) => id}
        onOpen={({ id }) => toggle(id)}
        below={(entry) => open === entry.id && <Change entry={entry} />}
        empty={<Empty title={t.empty}>{t.emptyText}</Empty>}
      />
    </Page>
  );
}

function Change({ entry }: { entry: Entry }) {
  const t = useTexts(auditWords);
  const sides: [string, unknown][] = [
    [t.before, entry.before],
    [t.after, entry.after],
  ];
  const told = sides.filter(([, value]) => value !== null && value !== undefined);
  return (
    <div className="tg-below-pad">
      {told.length === 0 && <p className="tg-quiet">{t.nothing}</p>}
      <div className="tg-exchange-sides">
        {told.map(([name, value]) => (
          <div key={name}>
            <p className="tg-side-title">{name}</p>
            <Code text={JSON.stringify(value, null, 2)} kind="json" label={name} wrap />
          </div>
        ))}
      </div>
      <p className="tg-quiet tg-small tg-hash">
        <span className="mono">{entry.action}</span>
        {entry.hash && (
          <>
            {" "}
            · #{entry.number} <Id value={entry.hash} />
          </>
        )}
      </p>
    </div>
  );
}
