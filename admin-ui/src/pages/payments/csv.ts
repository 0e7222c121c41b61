import type { PaymentObject } from "../../api/shapes";
import type { PageOf } from "../../parts/list";

const COLUMNS = [
  "id",
  "created_at",
  "status",
  "reason",
  "amount",
  "currency",
  "fee",
  "account",
  "service",
  "network_id",
  "number",
  "connection",
  "booked_at",
] as const;

/** A spreadsheet takes a text that starts like a formula for one; an apostrophe keeps it a text. */
export function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csvRow(payment: PaymentObject, connection: string): string {
  const values: Record<(typeof COLUMNS)[number], string> = {
    id: payment.id,
    created_at: payment.created_at,
    status: payment.status,
    reason: payment.reason ?? "",
    amount: payment.amount.amount,
    currency: payment.amount.currency,
    fee: payment.fee?.amount ?? "",
    account: payment.account,
    service: payment.service ?? "",
    network_id: payment.network_id,
    number: payment.number,
    connection,
    booked_at: payment.booked_at ?? "",
  };
  return COLUMNS.map((column) => csvField(values[column])).join(",");
}

/** Reads page after page; `told` hears how many rows there are. */
export async function paymentsAsCsv(
  read: (cursor: string | undefined) => Promise<PageOf<PaymentObject>>,
  connection: (id: string) => string,
  told: (rows: number) => void,
): Promise<Blob> {
  const parts: string[] = [`﻿${COLUMNS.join(",")}\r\n`];
  let rows = 0;
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    parts.push(page.data.map((payment) => `${csvRow(payment, connection(payment.connection_id))}\r\n`).join(""));
    rows += page.data.length;
    told(rows);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return new Blob(parts, { type: "text/csv;charset=utf-8" });
}

export function saveAs(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
