import { useQuery } from "@tanstack/react-query";
import { answer, api, type Schema } from "../../api/client";

export type StepName = Schema["StepName"];

const WATCH_MS = 5_000;

/** Where each step is done. */
export const PLACES: Record<StepName, string> = {
  merchant: "setup",
  connection: "connections",
  certificate: "certificates",
  rules: "rules",
  limits: "limits",
  webhook: "webhooks",
  payment: "lab",
  people: "people",
  second_factor: "people",
};

/** What stands between a merchant and its first real payment, as the gateway sees it. */
export function useChecklist(merchant: string) {
  return useQuery({
    queryKey: ["checklist", merchant],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/checklist", { params: { path: { merchant } } })),
    refetchInterval: WATCH_MS,
  });
}
