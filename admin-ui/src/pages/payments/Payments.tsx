import { Button, Checkbox, Menu, Select, TextInput } from "@mantine/core";
import { useDebouncedCallback, useLocalStorage } from "@mantine/hooks";
import { IconColumns3, IconSearch } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useConnectionNames, useConnections, useMerchantSlug } from "../../api/merchants";
import type { PaymentObject } from "../../api/shapes";
import { localToUtc, utcToLocal } from "../../format/time";
import { useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { Exports } from "../../parts/Exports";
import { type Filters, useFilters } from "../../parts/filters";
import { useCursorList } from "../../parts/list";
import { Moment } from "../../parts/Moment";
import { Money } from "../../parts/Money";
import { Page } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { Status } from "../../parts/Status";
import { reasonWords, STATES, stateWords } from "../../parts/states";
import { words } from "../../parts/words";
import { readPayments } from "./read";
import { paymentWords } from "./words";

const WATCH_MS = 4_000;
const TYPING_MS = 250;
const PAYMENT_STATES = Object.keys(STATES).slice(0, 13);
const HIDDEN_AT_FIRST = ["number", "id", "fee"];

type Names = "search" | "status" | "connection" | "from" | "until";

export function Payments() {
  const t = useTexts(paymentWords);
  const w = useTexts(words);
  const merchant = useMerchantSlug();
  const names = useConnectionNames(merchant);
  const [filters, setFilters, filtered] = useFilters<Names>("search", "status", "connection", "from", "until");
  const [hidden, setHidden] = useLocalStorage({ key: "tollgate-payment-columns", defaultValue: HIDDEN_AT_FIRST });
  const query = {
    ...(filters.search ? { search: filters.search } : {}),
    ...(filters.status ? { status: filters.status } : {}),
    ...(filters.connection ? { connection: filters.connection } : {}),
    ...(filters.from ? { created_from: filters.from } : {}),
    ...(filters.until ? { created_until: filters.until } : {}),
  };
  const list = useCursorList(["payments", merchant, query], (cursor) => readPayments(merchant, query, cursor), {
    watchMs: WATCH_MS,
    id: (payment) => payment.id,
  });
  const columns = useColumns(merchant, names);
  return (
    <Page
      title={t.title}
      action={
        <>
          <ColumnChoice columns={columns} hidden={hidden} onChange={setHidden} />
          <Exports merchant={merchant} kind="payments" filter={query} />
        </>
      }
      filters={<FilterBar merchant={merchant} filters={filters} set={setFilters} filtered={filtered} />}
    >
      <Rows
        label={t.title}
        columns={columns.filter((column) => !hidden.includes(column.key))}
        list={list}
        id={(payment) => payment.id}
        to={(payment) => `/m/${merchant}/payments/${payment.id}`}
        empty={
          filtered ? (
            <Empty
              title={t.nothing}
              action={
                <Button
                  variant="default"
                  onClick={() => setFilters({ search: "", status: "", connection: "", from: "", until: "" })}
                >
                  {w.clearFilters}
                </Button>
              }
            >
              {t.nothingText}
            </Empty>
          ) : (
            <Empty
              title={t.empty}
              action={
                <Button component={Link} to={`/m/${merchant}/lab`}>
                  {t.emptyAction}
                </Button>
              }
            >
              {t.emptyText}
            </Empty>
          )
        }
      />
    </Page>
  );
}

function useColumns(merchant: string, names: Map<string, string>): Column<PaymentObject>[] {
  const t = useTexts(paymentWords);
  const w = useTexts(words);
  const reasons = useTexts(reasonWords);
  return [
    {
      key: "amount",
      title: w.amount,
      align: "right",
      cell: (payment) => (
        <Link to={`/m/${merchant}/payments/${payment.id}`}>
          <Money value={payment.amount} />
        </Link>
      ),
    },
    { key: "status", title: w.status, narrow: "beside", cell: (payment) => <Status of={payment.status} /> },
    {
      key: "account",
      title: w.account,
      cell: (payment) => payment.account && <span className="mono">{payment.account}</span>,
    },
    { key: "time", title: w.time, cell: (payment) => <Moment at={payment.created_at} /> },
    {
      key: "network",
      title: t.network,
      narrow: "hidden",
      cell: (payment) => <span className="mono">{payment.network_id}</span>,
    },
    { key: "connection", title: w.connection, cell: (payment) => names.get(payment.connection_id) ?? "…" },
    {
      key: "reason",
      title: w.reason,
      cell: (payment) =>
        payment.reason && <span className="tg-quiet">{reasons[payment.reason] ?? payment.reason}</span>,
    },
    {
      key: "fee",
      title: w.fee,
      align: "right",
      narrow: "hidden",
      cell: (payment) => payment.fee && <Money value={payment.fee} />,
    },
    {
      key: "number",
      title: t.number,
      narrow: "hidden",
      cell: (payment) => <span className="mono">{payment.number}</span>,
    },
    { key: "id", title: t.id, narrow: "hidden", cell: (payment) => <span className="mono">{payment.id}</span> },
  ];
}

interface FilterProps {
  merchant: string;
  filters: Filters<Names>;
  set: (change: Filters<Names>) => void;
  filtered: boolean;
}

function FilterBar({ merchant, filters, set, filtered }: FilterProps) {
  const t = useTexts(paymentWords);
  const w = useTexts(words);
  const states = useTexts(stateWords);
  const connections = useConnections(merchant);
  const asked = filters.search ?? "";
  const [search, setSearch] = useState(asked);
  const told = useRef(asked);
  const later = useDebouncedCallback((text: string) => {
    told.current = text.trim();
    set({ search: told.current });
  }, TYPING_MS);
  // The address may change without this field: a link, the way back, "Clear filters". What is being typed stays.
  useEffect(() => {
    if (asked === told.current) return;
    told.current = asked;
    setSearch(asked);
  }, [asked]);
  return (
    <>
      <TextInput
        leftSection={<IconSearch size={15} />}
        aria-label={t.search}
        placeholder={t.search}
        title={t.searchHint}
        value={search}
        onChange={(event) => {
          setSearch(event.currentTarget.value);
          later(event.currentTarget.value);
        }}
        w={220}
      />
      <Select
        aria-label={t.status}
        placeholder={t.status}
        clearable
        clearButtonProps={{ "aria-label": w.clear }}
        data={PAYMENT_STATES.map((value) => ({ value, label: states[value] ?? value }))}
        value={filters.status ?? null}
        onChange={(value) => set({ status: value ?? "" })}
        w={160}
      />
      <Select
        aria-label={t.connection}
        placeholder={t.connection}
        clearable
        clearButtonProps={{ "aria-label": w.clear }}
        data={connections.data?.data.map(({ slug }) => slug) ?? []}
        value={filters.connection ?? null}
        onChange={(value) => set({ connection: value ?? "" })}
        w={160}
      />
      <TextInput
        type="datetime-local"
        aria-label={w.from}
        leftSection={<span className="tg-small">{w.from}</span>}
        leftSectionWidth={50}
        value={utcToLocal(filters.from)}
        onChange={(event) => set({ from: localToUtc(event.currentTarget.value) ?? "" })}
      />
      <TextInput
        type="datetime-local"
        aria-label={w.until}
        leftSection={<span className="tg-small">{w.until}</span>}
        leftSectionWidth={50}
        value={utcToLocal(filters.until)}
        onChange={(event) => set({ until: localToUtc(event.currentTarget.value) ?? "" })}
      />
      {filtered && (
        <Button
          variant="subtle"
          px={8}
          onClick={() => set({ search: "", status: "", connection: "", from: "", until: "" })}
        >
          {w.clearFilters}
        </Button>
      )}
    </>
  );
}

function ColumnChoice({
  columns,
  hidden,
  onChange,
}: {
  columns: Column<PaymentObject>[];
  hidden: string[];
  onChange: (hidden: string[]) => void;
}) {
  const w = useTexts(words);
  return (
    <Menu closeOnItemClick={false} position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<IconColumns3 size={16} />}>
          {w.columns}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {columns.slice(1).map((column) => (
          <Menu.Item
            key={column.key}
            onClick={() =>
              onChange(
                hidden.includes(column.key) ? hidden.filter((key) => key !== column.key) : [...hidden, column.key],
              )
            }
          >
            <Checkbox.Indicator
              checked={!hidden.includes(column.key)}
              size="xs"
              mr={8}
              style={{ display: "inline-flex", verticalAlign: "middle" }}
            />
            {column.title}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
