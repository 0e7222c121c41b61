import { useQuery } from "@tanstack/react-query";
import { answer, api, ask, type Schema } from "../../api/client";
import { useConnections } from "../../api/merchants";
import { may, useMe } from "../../session/permissions";
import { readPayments } from "../payments/read";
import { orNothing } from "../rules/draft";

export type StepKey = "connection" | "certificate" | "rules" | "payment" | "webhook" | "people";

export interface Step {
  key: StepKey;
  done: boolean;
  /** Where it is done. */
  to: string;
}

const SOON_MS = 30 * 86_400_000;
const WATCH_MS = 5_000;

/** Whether a connection's network wants to see a certificate of ours, or we of it. */
export function wantsIdentity(connection: Pick<Schema["ConnectionView"], "plugin" | "config">): boolean {
  const config = connection.config as { api?: boolean };
  return connection.plugin === "qiwi-pay" && config.api === true;
}

export function stepsOf(facts: {
  connections: Schema["ConnectionView"][];
  published: boolean;
  payments: number;
  delivered: number;
  people: number | undefined;
  now: number;
}): Omit<Step, "to">[] {
  const wanting = facts.connections.filter(wantsIdentity);
  const good = wanting.every(({ identity }) => identity && Date.parse(identity.not_after) - facts.now > SOON_MS);
  return [
    { key: "connection", done: facts.connections.some(({ status }) => status === "active") },
    ...(wanting.length > 0 ? [{ key: "certificate" as const, done: good }] : []),
    { key: "rules", done: facts.published },
    { key: "webhook", done: facts.delivered > 0 },
    { key: "payment", done: facts.payments > 0 },
    ...(facts.people === undefined ? [] : [{ key: "people" as const, done: facts.people > 0 }]),
  ];
}

const PLACES: Record<StepKey, string> = {
  connection: "connections",
  certificate: "connections",
  rules: "rules",
  payment: "lab",
  webhook: "webhooks",
  people: "people",
};

/** What stands between a merchant and its first real payment. */
export function useChecklist(merchant: string): Step[] | undefined {
  const me = useMe();
  const connections = useConnections(merchant);
  const facts = useQuery({
    queryKey: ["checklist", merchant],
    queryFn: async () => {
      const path = { merchant };
      const query = { status: "delivered", limit: 1 };
      const [rules, payments, deliveries, people] = await Promise.all([
        orNothing(answer(api.GET("/admin/v1/merchants/{merchant}/rules", { params: { path } }))),
        readPayments(merchant, { status: "succeeded" }, undefined, 1),
        answer(api.GET("/admin/v1/merchants/{merchant}/deliveries", { params: { path, query } })),
        may(me, "people:read", merchant)
          ? ask<{ data: unknown[] }>("GET", `/admin/v1/merchants/${merchant}/people`).catch(() => undefined)
          : undefined,
      ]);
      return {
        published: rules !== null,
        payments: payments.data.length,
        delivered: deliveries.data.length,
        people: people?.data.length,
      };
    },
    refetchInterval: WATCH_MS,
  });
  if (!facts.data || !connections.data) return undefined;
  const steps = stepsOf({ connections: connections.data.data, ...facts.data, now: Date.now() });
  return steps.map((step) => ({ ...step, to: `/m/${merchant}/${PLACES[step.key]}` }));
}
