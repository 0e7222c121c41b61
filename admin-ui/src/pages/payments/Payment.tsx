import { Button, Skeleton } from "@mantine/core";
import { IconChevronRight } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useConnectionNames, useMerchant, useMerchantSlug } from "../../api/merchants";
import type { PaymentObject } from "../../api/shapes";
import { Code } from "../../code/Code";
import { formatMoney } from "../../format/money";
import { formatClock } from "../../format/time";
import { useLanguage, useTexts } from "../../language/language";
import { CopyButton, Id } from "../../parts/Copy";
import { Exchange } from "../../parts/Exchange";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Money } from "../../parts/Money";
import { Facts, Page } from "../../parts/Page";
import { Mark, Status } from "../../parts/Status";
import { reasonWords, STATES, stateWords } from "../../parts/states";
import { say, sayFailed } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { Attempts } from "../webhooks/Attempts";
import { Actions, type Order } from "./Actions";
import "./payments.css";
import { type Moment as Happened, timelineOf } from "./timeline";
import { Why } from "./Why";
import { paymentWords } from "./words";

/** While something is on its way, it is looked at this often. */
const WATCH_MS = 3_000;
const SETTLED = ["succeeded", "declined", "refunded", "reversed", "expired", "failed"];

function usePayment(merchant: string, payment: string) {
  const path = { merchant, payment };
  const detail = useQuery({
    queryKey: ["payment", merchant, payment],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/payments/{payment}", { params: { path } })),
    refetchInterval: (query) => {
      const status = (query.state.data?.payment as unknown as PaymentObject | undefined)?.status;
      return status !== undefined && SETTLED.includes(status) ? false : WATCH_MS;
    },
  });
  const exchanges = useQuery({
    queryKey: ["payment-exchanges", merchant, payment],
    queryFn: () =>
      answer(
        api.GET("/admin/v1/merchants/{merchant}/exchanges", {
          params: { path: { merchant }, query: { payment_id: payment, limit: 100 } },
        }),
      ),
    enabled: useMay("exchanges:read", merchant),
  });
  const deliveries = useQuery({
    queryKey: ["payment-deliveries", merchant, payment],
    queryFn: () =>
      answer(
        api.GET("/admin/v1/merchants/{merchant}/deliveries", {
          params: { path: { merchant }, query: { payment_id: payment, limit: 100 } },
        }),
      ),
    refetchInterval: (query) => (query.state.data?.data.some(({ status }) => status === "pending") ? WATCH_MS : false),
    enabled: useMay("webhooks:read", merchant),
  });
  return { detail, exchanges: exchanges.data?.data ?? [], deliveries: deliveries.data?.data ?? [] };
}

export function Payment() {
  const t = useTexts(paymentWords);
  const merchant = useMerchantSlug();
  const { payment: id } = useParams({ strict: false }) as { payment: string };
  const { detail, exchanges, deliveries } = usePayment(merchant, id);
  const names = useConnectionNames(merchant);
  if (detail.error && !detail.data) {
    return (
      <Page title={t.one} within={{ to: `/m/${merchant}/payments`, title: t.title }}>
        <Failed error={detail.error} retry={() => void detail.refetch()} />
      </Page>
    );
  }
  if (!detail.data) {
    return (
      <Page title={t.one} within={{ to: `/m/${merchant}/payments`, title: t.title }}>
        <Skeleton height={22} width="60%" mb={20} />
        <div className="tg-payment">
          <Skeleton height={420} />
          <Skeleton height={420} />
        </div>
      </Page>
    );
  }
  const payment = detail.data.payment as unknown as PaymentObject;
  const connection = names.get(payment.connection_id) ?? payment.channel;
  return (
    <Page
      title={<Heading payment={payment} />}
      name={`${t.one} ${payment.network_id}`}
      within={{ to: `/m/${merchant}/payments`, title: t.title }}
      intro={
        <Sentence
          payment={payment}
          order={(detail.data.order as unknown as Order | null | undefined)?.order_id ?? ""}
          connection={connection}
          deliveries={deliveries}
        />
      }
    >
      <div className="tg-payment">
        <section aria-label={t.timeline}>
          <h2 className="tg-h2">{t.timeline}</h2>
          <Timeline merchant={merchant} moments={timelineOf(detail.data, exchanges, deliveries)} />
        </section>
        <Figures
          payment={payment}
          connection={connection}
          merchant={merchant}
          order={detail.data.order as unknown as Order | null | undefined}
        />
      </div>
    </Page>
  );
}

function Heading({ payment }: { payment: PaymentObject }) {
  const t = useTexts(paymentWords);
  return (
    <span className="tg-inline">
      {t.one} {payment.network_id}
      <Status of={payment.status} />
    </span>
  );
}

/** The whole story in one sentence. */
function Sentence({
  payment,
  order,
  connection,
  deliveries,
}: {
  payment: PaymentObject;
  /** What the merchant calls it, when there is no account. */
  order: string;
  connection: string;
  deliveries: Schema["DeliveryView"][];
}) {
  const t = useTexts(paymentWords).sentence;
  const states = useTexts(stateWords);
  const reasons = useTexts(reasonWords);
  const language = useLanguage();
  const merchant = useMerchant().data?.name ?? "";
  const money = formatMoney(payment.amount, language);
  const what =
    payment.status === "succeeded" || payment.status === "declined"
      ? t[payment.status](money, payment.account, order, connection)
      : t.other(money, payment.account, order, connection, states[payment.status] ?? payment.status);
  const because = payment.reason ? t.because(reasons[payment.reason] ?? payment.reason) : "";
  const last = deliveries[0];
  const told = !last
    ? t.silent
    : last.delivered_at
      ? t.told(merchant, formatClock(last.delivered_at, language), last.attempts)
      : t.telling(merchant, last.attempts);
  return (
    <>
      {what}
      {because}
      {told}.
    </>
  );
}

interface FiguresProps {
  payment: PaymentObject;
  connection: string;
  merchant: string;
  order: Order | null | undefined;
}

function Figures({ payment, connection, merchant, order }: FiguresProps) {
  const t = useTexts(paymentWords);
  const w = useTexts(words);
  const reasons = useTexts(reasonWords);
  const facts: [React.ReactNode, React.ReactNode][] = [
    ...(payment.reason ? ([[w.reason, reasons[payment.reason] ?? payment.reason]] as [string, string][]) : []),
    ...(payment.account ? ([[w.account, <Id key="a" value={payment.account} />]] as [string, React.ReactNode][]) : []),
    [w.connection, connection],
    ...(payment.network_id === payment.id
      ? []
      : ([[t.network, <Id key="n" value={payment.network_id} />]] as [string, React.ReactNode][])),
    [t.number, <Id key="u" value={payment.number} />],
    [t.id, <Id key="i" value={payment.id} />],
    ...(payment.fee ? ([[w.fee, <Money key="f" value={payment.fee} />]] as [string, React.ReactNode][]) : []),
    ...(payment.service ? ([[t.service, payment.service]] as [string, string][]) : []),
    [t.received, <Moment key="r" at={payment.received_at} />],
    ...(payment.booked_at
      ? ([
          [
            t.booked,
            <span key="b">
              <Moment at={payment.booked_at} /> <span className="tg-quiet mono">{payment.booked_text}</span>
            </span>,
          ],
        ] as [string, React.ReactNode][])
      : []),
  ];
  const extras = Object.entries(payment.extras ?? {});
  return (
    <aside className="tg-stack" aria-label={t.figures}>
      <div className="tg-card">
        <div className="tg-payment-amount">
          <Money value={payment.amount} />
        </div>
        <Facts of={facts} />
        {payment.booking_suspect && <p className="tg-quiet tg-small">{t.suspect}</p>}
      </div>
      {order && <Actions merchant={merchant} payment={payment.id} order={order} />}
      {extras.length > 0 && (
        <div className="tg-card">
          <h2>{t.extras}</h2>
          <Facts
            of={extras.map(([name, value]) => [
              <span key={name} className="mono">
                {name}
              </span>,
              <span key={`${name}v`} className="mono">
                {String(value)}
              </span>,
            ])}
          />
        </div>
      )}
      <details className="tg-card">
        <summary className="tg-summary">{t.raw}</summary>
        <CopyButton value={JSON.stringify(payment, null, 2)} what="JSON" />
        <Code text={JSON.stringify(payment, null, 2)} kind="json" label={t.raw} wrap />
      </details>
    </aside>
  );
}

function Timeline({ merchant, moments }: { merchant: string; moments: Happened[] }) {
  return (
    <ol className="tg-timeline">
      {moments.map((moment) => (
        <Step key={`${moment.kind} ${moment.id}`} merchant={merchant} moment={moment} />
      ))}
    </ol>
  );
}

function Step({ merchant, moment }: { merchant: string; moment: Happened }) {
  // The decision is what people come for; it opens itself when it refused.
  const readable = useMay("decisions:read", merchant);
  const [open, setOpen] = useState(
    readable &&
      moment.kind === "decision" &&
      moment.decision.outcome !== "accept" &&
      moment.decision.handler === "check",
  );
  const { state, label, side } = useStep(moment);
  const { tone, shape } = STATES[state] ?? { tone: "grey" as const, shape: "dot" as const };
  return (
    <li className="tg-step">
      <button type="button" className="tg-step-head" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span className="tg-step-mark">
          <Mark tone={tone} shape={shape} />
        </span>
        <span className="tg-step-label">{label}</span>
        <span className="tg-step-side tg-quiet">{side}</span>
        <span className="tg-step-time tg-quiet">
          <Moment at={moment.at} as="clock" />
        </span>
        <IconChevronRight size={15} className="tg-step-arrow" aria-hidden="true" />
      </button>
      {open && (
        <div className="tg-step-body">
          <Opened merchant={merchant} moment={moment} />
        </div>
      )}
    </li>
  );
}

function useStep(moment: Happened): { state: string; label: React.ReactNode; side: React.ReactNode } {
  const t = useTexts(paymentWords);
  const states = useTexts(stateWords);
  const reasons = useTexts(reasonWords);
  const reason = (code: string | null | undefined) => (code ? (reasons[code] ?? code) : "");
  switch (moment.kind) {
    case "exchange": {
      const { exchange } = moment;
      const way = exchange.direction === "in" ? t.exchangeIn : t.exchangeOut;
      return {
        state: exchange.status >= 500 || exchange.status === 0 ? "failed" : "exchange",
        label: way,
        side: `${exchange.method} ${exchange.status || "—"}`,
      };
    }
    case "decision": {
      const { decision } = moment;
      return {
        state: decision.outcome,
        label: t.decisionTitle(decision.handler, decision.revision),
        side: [states[decision.outcome] ?? decision.outcome, reason(decision.reason)].filter(Boolean).join(": "),
      };
    }
    case "operation": {
      const { operation } = moment;
      return {
        state: operation.status,
        label: t.operations[operation.kind] ?? `${t.operation} ${operation.kind}`,
        side: [states[operation.status] ?? operation.status, reason(operation.reason)].filter(Boolean).join(": "),
      };
    }
    case "event":
      return { state: "event", label: t.event, side: <span className="mono">{moment.event.type}</span> };
    case "delivery": {
      const { delivery } = moment;
      return {
        state: delivery.status,
        label: t.delivery(delivery.attempts),
        side: states[delivery.status] ?? delivery.status,
      };
    }
  }
}

function Opened({ merchant, moment }: { merchant: string; moment: Happened }) {
  const t = useTexts(paymentWords);
  switch (moment.kind) {
    case "exchange":
      return <Exchange of={moment.exchange} />;
    case "decision":
      return <Why merchant={merchant} decision={moment.decision.id} />;
    case "operation":
      return <Code text={JSON.stringify(moment.operation, null, 2)} kind="json" label={t.operation} wrap />;
    case "event":
      return <Code text={JSON.stringify(moment.event, null, 2)} kind="json" label={t.event} wrap />;
    case "delivery":
      return <Delivered merchant={merchant} delivery={moment.delivery} />;
  }
}

function Delivered({ merchant, delivery }: { merchant: string; delivery: Schema["DeliveryView"] }) {
  const t = useTexts(paymentWords);
  const queries = useQueryClient();
  const allowed = useMay("deliveries:write", merchant);
  const resend = async () => {
    const path = { merchant, delivery: delivery.id };
    try {
      await answer(api.POST("/admin/v1/merchants/{merchant}/deliveries/{delivery}/resend", { params: { path } }));
      say(t.resent);
      void queries.invalidateQueries({ queryKey: ["payment-deliveries", merchant] });
      void queries.invalidateQueries({ queryKey: ["attempts", delivery.id] });
    } catch (failure) {
      sayFailed(failure);
    }
  };
  return (
    <div className="tg-stack">
      <Attempts merchant={merchant} delivery={delivery.id} watch={delivery.status === "pending"} />
      {allowed && (
        <div>
          <Button size="xs" variant="default" onClick={() => void resend()}>
            {t.resend}
          </Button>
        </div>
      )}
    </div>
  );
}
