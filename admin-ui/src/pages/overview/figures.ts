import type { MoneyText, PaymentObject } from "../../api/shapes";

/** Statuses as the chart tells them apart: five, for more cannot be told apart. */
export const GROUPS = ["succeeded", "processing", "declined", "in_doubt", "refunded"] as const;
export type Group = (typeof GROUPS)[number];

const GROUP_OF: Record<string, Group> = {
  succeeded: "succeeded",
  partially_captured: "succeeded",
  created: "processing",
  processing: "processing",
  requires_action: "processing",
  authorized: "processing",
  declined: "declined",
  failed: "declined",
  expired: "declined",
  in_doubt: "in_doubt",
  refunded: "refunded",
  partially_refunded: "refunded",
  reversed: "refunded",
};

export function groupOf(status: string): Group {
  return GROUP_OF[status] ?? "processing";
}

/** Sums of one currency each, exact: in whole minor units, never in floats. */
export function sumMoney(amounts: MoneyText[]): MoneyText[] {
  const sums = new Map<string, { minor: bigint; places: number }>();
  for (const { amount, currency } of amounts) {
    const places = amount.split(".")[1]?.length ?? 0;
    const minor = BigInt(amount.replace(".", ""));
    const sum = sums.get(currency);
    sums.set(currency, { minor: (sum?.minor ?? 0n) + minor, places });
  }
  return [...sums].map(([currency, { minor, places }]) => ({ amount: decimal(minor, places), currency }));
}

function decimal(minor: bigint, places: number): string {
  if (places === 0) return minor.toString();
  const negative = minor < 0n;
  const digits = (negative ? -minor : minor).toString().padStart(places + 1, "0");
  return `${negative ? "-" : ""}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

export interface Figures {
  count: number;
  succeeded: number;
  /** Of those that came to an end. */
  rate: number | undefined;
  sums: MoneyText[];
}

export function figuresOf(payments: PaymentObject[]): Figures {
  const good = payments.filter(({ status }) => groupOf(status) === "succeeded");
  const bad = payments.filter(({ status }) => groupOf(status) === "declined");
  const ended = good.length + bad.length;
  return {
    count: payments.length,
    succeeded: good.length,
    rate: ended ? good.length / ended : undefined,
    sums: sumMoney(good.map(({ amount }) => amount)),
  };
}

/** Counts by moment and group, for a stacked chart: [moments in seconds, one row for each group]. */
export function bucketsOf(
  payments: PaymentObject[],
  from: number,
  until: number,
  size: number,
): { at: number[]; counts: Record<Group, number[]> } {
  const length = Math.max(1, Math.ceil((until - from) / size));
  const at = Array.from({ length }, (_, index) => (from + index * size) / 1000);
  const counts = Object.fromEntries(GROUPS.map((group) => [group, new Array<number>(length).fill(0)])) as Record<
    Group,
    number[]
  >;
  for (const payment of payments) {
    const index = Math.floor((Date.parse(payment.created_at) - from) / size);
    const row = counts[groupOf(payment.status)];
    if (index >= 0 && index < length) row[index] = (row[index] ?? 0) + 1;
  }
  return { at, counts };
}

/** The value that `part` of all are at most. */
export function quantile(values: number[], part: number): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)];
}
