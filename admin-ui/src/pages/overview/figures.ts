import type { Schema } from "../../api/client";

/** What became of payments, as the chart tells it apart. */
export const GROUPS = ["succeeded", "processing", "declined", "doubtful", "refunded"] as const;
export type Group = (typeof GROUPS)[number];

/** Status that stands for a group, in colour and in words. */
export const STATUS_OF: Record<Group, string> = {
  succeeded: "succeeded",
  processing: "processing",
  declined: "declined",
  doubtful: "in_doubt",
  refunded: "refunded",
};

export function percent(perMille: number | null | undefined, language: string): string {
  if (perMille === null || perMille === undefined) return "—";
  return `${(perMille / 10).toLocaleString(language, { maximumFractionDigits: 1 })} %`;
}

/** How a count compares with the same hours a week before; undefined when there is nothing to compare with. */
export function change(now: number, before: number): number | undefined {
  return before === 0 ? undefined : Math.round((100 * (now - before)) / before);
}

/** A chart's input: moments in seconds, and a row of counts for each group. */
export function columnsOf(series: Schema["Series"]): { at: number[]; counts: Record<Group, number[]> } {
  const counts = Object.fromEntries(GROUPS.map((group) => [group, series[group]])) as Record<Group, number[]>;
  return { at: series.at.map((at) => Date.parse(at) / 1000), counts };
}
