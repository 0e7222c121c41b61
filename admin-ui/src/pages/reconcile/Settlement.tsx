import { Button, Checkbox, SegmentedControl, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import type { MoneyText } from "../../api/shapes";
import { formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { Failed } from "../../parts/Failed";
import { useFilters } from "../../parts/filters";
import { useCursorList } from "../../parts/list";
import { Moment } from "../../parts/Moment";
import { Money } from "../../parts/Money";
import { Facts, Page, Section } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { Status } from "../../parts/Status";
import { stateWords } from "../../parts/states";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { Note } from "./Note";
import { differing } from "./Reconcile";
import { reconcileWords } from "./words";

type Row = Schema["RowView"];
const OUTCOMES = ["amount_mismatch", "account_mismatch", "theirs_only", "ours_only", "matched"] as const;

export function Settlement() {
  const t = useTexts(reconcileWords);
  const language = useLanguage();
  const states = useTexts(stateWords);
  const w = useTexts(words);
  const merchant = useMerchantSlug();
  const { settlement } = useParams({ strict: false }) as { settlement: string };
  const [{ outcome, open }, setFilter] = useFilters("outcome", "open");
  const [noted, setNoted] = useState<Row>();
  const mayNote = useMay("settlements:write", merchant);
  const path = { merchant, settlement };
  const file = useQuery({
    queryKey: ["settlement", merchant, settlement],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/settlements/{settlement}", { params: { path } })),
  });
  const list = useCursorList<Row>(["settlement-rows", settlement, outcome, open], (cursor) => {
    const query = {
      limit: 100,
      ...(outcome ? { outcome } : {}),
      ...(open ? { resolved: false } : {}),
      ...(cursor ? { cursor } : {}),
    };
    return answer(api.GET("/admin/v1/merchants/{merchant}/settlements/{settlement}/rows", { params: { path, query } }));
  });
  const columns: Column<Row>[] = [
    {
      key: "network",
      title: t.network,
      cell: (row) =>
        row.payment_id ? (
          <Link to={`/m/${merchant}/payments/${row.payment_id}`} className="mono">
            {row.network_id}
          </Link>
        ) : (
          <span className="mono">{row.network_id}</span>
        ),
    },
    {
      key: "outcome",
      title: w.status,
      narrow: "beside",
      cell: (row) => (
        <>
          <Status of={row.outcome} />
          {row.note?.resolved && (
            <>
              {" "}
              <Status of="resolved" />
            </>
          )}
        </>
      ),
    },
    {
      key: "theirs",
      title: t.theirs,
      align: "right",
      cell: (row) => <Side amount={row.their_amount} account={row.their_account} />,
    },
    {
      key: "ours",
      title: t.ours,
      align: "right",
      cell: (row) => <Side amount={row.our_amount} account={row.our_account} />,
    },
    { key: "line", title: t.line, align: "right", narrow: "hidden", cell: (row) => row.line },
    { key: "booked", title: w.time, narrow: "hidden", cell: (row) => row.booked_at && <Moment at={row.booked_at} /> },
    {
      key: "note",
      title: t.note,
      cell: (row) =>
        row.outcome !== "matched" && (
          <span className="tg-inline">
            {row.note && <span className="tg-quiet">{row.note.note}</span>}
            {mayNote && (
              <Button size="compact-xs" variant="default" onClick={() => setNoted(row)}>
                {row.note ? w.edit : t.settle}
              </Button>
            )}
          </span>
        ),
    },
  ];
  if (file.error) {
    return (
      <Page title={t.title}>
        <Failed error={file.error} retry={() => void file.refetch()} />
      </Page>
    );
  }
  const data = file.data;
  return (
    <Page title={data?.file_name ?? t.title} within={{ to: `/m/${merchant}/reconcile`, title: t.title }}>
      {data ? (
        <Facts
          of={[
            [
              t.differing,
              differing(data.counts) === 0 ? (
                <Status key="d" of="matched" label={t.allMatch} />
              ) : (
                formatCount(differing(data.counts), language)
              ),
            ],
            [t.settled, formatCount(data.resolved, language)],
            [t.payments, formatCount(data.payment_count, language)],
            [t.total, <Money key="t" value={data.total as unknown as MoneyText} />],
            [
              t.period,
              <span key="p">
                <Moment at={data.period_from} /> – <Moment at={data.period_until} />
              </span>,
            ],
            [t.imported, <Moment key="i" at={data.created_at} />],
          ]}
        />
      ) : (
        <Skeleton height={160} />
      )}
      <Section title={t.rows}>
        <div className="tg-stack">
          <div className="tg-scroll-x">
            <SegmentedControl
              size="xs"
              aria-label={w.status}
              value={outcome ?? ""}
              onChange={(value) => setFilter({ outcome: value })}
              data={[
                { value: "", label: w.all },
                ...OUTCOMES.map((value) => ({
                  value,
                  label: `${states[value]}${data ? ` ${formatCount(data.counts[value], language)}` : ""}`,
                })),
              ]}
            />
          </div>
          <Checkbox
            label={t.openOnly}
            checked={open === "yes"}
            onChange={(event) => setFilter({ open: event.currentTarget.checked ? "yes" : "" })}
          />
          <Rows
            label={t.rows}
            columns={columns}
            list={list}
            id={({ id }) => id}
            empty={<Empty title={t.none}>{t.noneText}</Empty>}
          />
        </div>
      </Section>
      {noted && <Note row={noted} merchant={merchant} settlement={settlement} onClose={() => setNoted(undefined)} />}
    </Page>
  );
}

function Side({ amount, account }: { amount: unknown; account: string | null | undefined }) {
  if (!amount) return <span className="tg-quiet">—</span>;
  return (
    <>
      <Money value={amount as MoneyText} />
      <br />
      <span className="mono tg-quiet">{account}</span>
    </>
  );
}
