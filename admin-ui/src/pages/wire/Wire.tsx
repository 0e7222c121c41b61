import { Button, Select, Switch } from "@mantine/core";
import { IconArrowDownLeft, IconArrowUpRight } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api } from "../../api/client";
import { useConnectionNames, useConnections, useMerchantSlug } from "../../api/merchants";
import { formatMicros } from "../../format/time";
import { texts, useLanguage, useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { Exchange, type ExchangeView, exchangeWords } from "../../parts/Exchange";
import { useFilters } from "../../parts/filters";
import { useCursorList } from "../../parts/list";
import { Moment } from "../../parts/Moment";
import { Page } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { words } from "../../parts/words";
import { useTail } from "./tail";

const wireWords = texts(
  {
    title: "Wire log",
    intro: "Every request with its answer, in and out, masked. What was said, not what was meant.",
    direction: "Direction",
    request: "Request",
    answer: "Answer",
    took: "Took",
    payment: "Payment",
    tail: "Live tail",
    empty: "Nothing passed the wire yet",
    emptyText: "Each call of a network, and each call to one, is kept here for as long as the retention setting says.",
  },
  {
    title: "Журнал обмена",
    intro: "Каждый запрос с ответом, к нам и от нас, с закрытыми секретами. Что было сказано, а не что имелось в виду.",
    direction: "Направление",
    request: "Запрос",
    answer: "Ответ",
    took: "Длился",
    payment: "Платёж",
    tail: "Живой хвост",
    empty: "По проводу ещё ничего не прошло",
    emptyText: "Каждый вызов сети и каждый вызов к ней хранится здесь столько, сколько велит настройка хранения.",
  },
);

const WATCH_MS = 2_000;

export function Wire() {
  const t = useTexts(wireWords);
  const x = useTexts(exchangeWords);
  const w = useTexts(words);
  const language = useLanguage();
  const merchant = useMerchantSlug();
  const names = useConnectionNames(merchant);
  const connections = useConnections(merchant);
  const [{ connection, payment }, setFilter] = useFilters("connection", "payment");
  const [open, setOpen] = useState<string>();
  const [tail, setTail] = useState(false);
  const list = useCursorList<ExchangeView>(
    ["exchanges", merchant, connection, payment],
    (cursor) => {
      const query = {
        limit: 50,
        ...(connection ? { connection } : {}),
        ...(payment ? { payment_id: payment } : {}),
        ...(cursor ? { cursor } : {}),
      };
      return answer(api.GET("/admin/v1/merchants/{merchant}/exchanges", { params: { path: { merchant }, query } }));
    },
    { watchMs: WATCH_MS, id: ({ id }) => id },
  );
  useTail(tail, list);
  const columns: Column<ExchangeView>[] = [
    {
      key: "request",
      title: t.request,
      className: "tg-wire-request",
      cell: (row) => (
        <button
          type="button"
          className="tg-plain mono tg-wire-url"
          aria-expanded={open === row.id}
          onClick={() => setOpen(open === row.id ? undefined : row.id)}
        >
          <b>{row.method}</b> {row.url}
        </button>
      ),
    },
    {
      key: "direction",
      title: t.direction,
      cell: (row) => (
        <span className="tg-inline">
          {row.direction === "in" ? (
            <IconArrowDownLeft size={14} className="tg-quiet" aria-hidden="true" />
          ) : (
            <IconArrowUpRight size={14} className="tg-quiet" aria-hidden="true" />
          )}
          {row.direction === "in" ? x.in : x.out}
        </span>
      ),
    },
    {
      key: "status",
      title: t.answer,
      cell: (row) => (
        <span className={row.status >= 400 || row.status === 0 ? "tg-red mono" : "mono"}>{row.status || "—"}</span>
      ),
    },
    { key: "took", title: t.took, align: "right", cell: (row) => formatMicros(row.duration_us, language) },
    {
      key: "connection",
      title: w.connection,
      narrow: "hidden",
      cell: (row) => row.connection_id && (names.get(row.connection_id) ?? "…"),
    },
    {
      key: "payment",
      title: t.payment,
      narrow: "hidden",
      cell: (row) => row.payment_id && <Link to={`/m/${merchant}/payments/${row.payment_id}`}>{w.open}</Link>,
    },
    { key: "time", title: w.time, cell: (row) => <Moment at={row.created_at} /> },
  ];
  return (
    <Page
      title={t.title}
      intro={t.intro}
      action={<Switch label={t.tail} checked={tail} onChange={(event) => setTail(event.currentTarget.checked)} />}
      filters={
        <>
          <Select
            aria-label={w.connection}
            placeholder={w.connection}
            clearable
            clearButtonProps={{ "aria-label": w.clear }}
            w={200}
            data={connections.data?.data.map(({ slug }) => slug) ?? []}
            value={connection ?? null}
            onChange={(value) => setFilter({ connection: value ?? "" })}
          />
          {payment && (
            <Button variant="subtle" onClick={() => setFilter({ payment: "" })}>
              {w.clearFilters}
            </Button>
          )}
        </>
      }
    >
      <Rows
        label={t.title}
        columns={columns}
        list={list}
        id={({ id }) => id}
        onOpen={({ id }) => setOpen(open === id ? undefined : id)}
        below={(row) => open === row.id && <Exchange of={row} />}
        empty={<Empty title={t.empty}>{t.emptyText}</Empty>}
      />
    </Page>
  );
}
