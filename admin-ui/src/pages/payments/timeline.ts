import type { Schema } from "../../api/client";
import type { ExchangeView } from "../../parts/Exchange";

export type Moment =
  | { kind: "exchange"; at: string; id: string; exchange: ExchangeView }
  | { kind: "decision"; at: string; id: string; decision: Schema["DecisionLink"] }
  | { kind: "operation"; at: string; id: string; operation: Schema["OperationView"] }
  | { kind: "event"; at: string; id: string; event: Schema["EventView"] }
  | { kind: "delivery"; at: string; id: string; delivery: Schema["DeliveryView"] };

/** Of one instant, causes come before what they caused. */
const ORDER: Moment["kind"][] = ["exchange", "decision", "operation", "event", "delivery"];

/** Everything that happened to a payment, in order. */
export function timelineOf(
  detail: Schema["PaymentDetail"],
  exchanges: ExchangeView[],
  deliveries: Schema["DeliveryView"][],
): Moment[] {
  const of = new Map(detail.operations.map((operation) => [operation.rule_revision, operation.created_at]));
  const moments: Moment[] = [
    ...exchanges.map((exchange): Moment => ({ kind: "exchange", at: startOf(exchange), id: exchange.id, exchange })),
    ...detail.decisions.map(
      (decision): Moment => ({
        kind: "decision",
        at: of.get(decision.revision) ?? (detail.payment as unknown as { created_at: string }).created_at,
        id: decision.id,
        decision,
      }),
    ),
    ...detail.operations.map(
      (operation): Moment => ({ kind: "operation", at: operation.created_at, id: operation.id, operation }),
    ),
    ...detail.events.map((event): Moment => ({ kind: "event", at: event.created_at, id: event.id, event })),
    ...deliveries.map((delivery): Moment => ({ kind: "delivery", at: delivery.created_at, id: delivery.id, delivery })),
  ];
  return moments.sort((a, b) => instant(a.at) - instant(b.at) || ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

/** An exchange is stored when it ends; it is told where it began. */
export function startOf(exchange: Pick<ExchangeView, "created_at">): string {
  return exchange.created_at;
}

function instant(at: string): number {
  // Parts of one request differ by less than a millisecond, which is as exact as browsers read.
  return Math.floor(Date.parse(at));
}
