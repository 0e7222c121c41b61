import { Button, SegmentedControl } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { useFilters } from "../../parts/filters";
import { useCursorList } from "../../parts/list";
import { Moment } from "../../parts/Moment";
import { type Column, Rows } from "../../parts/Rows";
import { Status } from "../../parts/Status";
import { stateWords } from "../../parts/states";
import { say, sayFailed } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { Attempts } from "./Attempts";
import { webhookWords } from "./words";

type Delivery = Schema["DeliveryView"];
const WATCH_MS = 3_000;

export function Deliveries({ merchant, endpoint }: { merchant: string; endpoint?: string }) {
  const t = useTexts(webhookWords);
  const w = useTexts(words);
  const states = useTexts(stateWords);
  const queries = useQueryClient();
  const allowed = useMay("deliveries:write", merchant);
  const [{ delivery: status }, setFilter] = useFilters("delivery");
  const [open, setOpen] = useState<string>();
  const list = useCursorList<Delivery>(
    ["deliveries", merchant, endpoint, status],
    (cursor) => {
      const query = {
        limit: 50,
        ...(endpoint ? { endpoint_id: endpoint } : {}),
        ...(status ? { status } : {}),
        ...(cursor ? { cursor } : {}),
      };
      return answer(api.GET("/admin/v1/merchants/{merchant}/deliveries", { params: { path: { merchant }, query } }));
    },
    { watchMs: WATCH_MS, id: ({ id }) => id },
  );
  const resend = async (delivery: string) => {
    try {
      await answer(
        api.POST("/admin/v1/merchants/{merchant}/deliveries/{delivery}/resend", {
          params: { path: { merchant, delivery } },
        }),
      );
      say(t.resent(1));
      setOpen(delivery);
      void queries.invalidateQueries({ queryKey: ["deliveries", merchant] });
      void queries.invalidateQueries({ queryKey: ["attempts", delivery] });
    } catch (failure) {
      sayFailed(failure);
    }
  };
  const columns: Column<Delivery>[] = [
    {
      key: "event",
      title: t.event,
      cell: ({ id, event_id }) => (
        <button
          type="button"
          className="tg-plain mono"
          aria-expanded={open === id}
          onClick={() => setOpen(open === id ? undefined : id)}
        >
          {event_id}
        </button>
      ),
    },
    { key: "status", title: w.status, narrow: "beside", cell: (row) => <Status of={row.status} /> },
    { key: "attempts", title: t.attempts, align: "right", cell: (row) => row.attempts },
    {
      key: "when",
      title: w.time,
      cell: (row) =>
        row.delivered_at ? (
          <Moment at={row.delivered_at} />
        ) : row.status === "pending" ? (
          <Moment at={row.due_at} as="ago" />
        ) : (
          <Moment at={row.created_at} />
        ),
    },
    {
      key: "payment",
      title: t.payment,
      narrow: "hidden",
      cell: ({ payment_id }) =>
        payment_id && (
          <Link to={`/m/${merchant}/payments/${payment_id}`} className="mono">
            {payment_id}
          </Link>
        ),
    },
    {
      key: "again",
      title: w.actions,
      narrow: "nameless",
      cell: ({ id }) => (
        <Button size="compact-xs" variant="default" disabled={!allowed} onClick={() => void resend(id)}>
          {t.again}
        </Button>
      ),
    },
  ];
  return (
    <div className="tg-stack">
      <div>
        <SegmentedControl
          size="xs"
          aria-label={w.status}
          value={status ?? ""}
          onChange={(value) => setFilter({ delivery: value })}
          data={[
            { value: "", label: w.all },
            ...["pending", "delivered", "cancelled"].map((value) => ({ value, label: states[value] ?? value })),
          ]}
        />
      </div>
      <Rows
        label={t.deliveries}
        columns={columns}
        list={list}
        id={({ id }) => id}
        onOpen={({ id }) => setOpen(open === id ? undefined : id)}
        below={(row) =>
          open === row.id && (
            <div className="tg-below-pad">
              <Attempts merchant={merchant} delivery={row.id} watch={row.status === "pending"} />
            </div>
          )
        }
        empty={<Empty title={t.noDeliveries}>{t.noDeliveriesText}</Empty>}
      />
    </div>
  );
}
