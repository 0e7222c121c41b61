import { ask } from "../../api/client";

/** What a terminal asked, and what it heard. */
export interface Played {
  request: { method: string; url: string; body?: string };
  response: { status: number; body: string };
  payment_id?: string | null;
}

export interface Move {
  command: "check" | "pay";
  txn_id: string;
  account: string;
  amount: string;
  currency: string;
  service?: string;
}

export function play(merchant: string, connection: string, move: Move): Promise<Played> {
  return ask("POST", `/admin/v1/merchants/${merchant}/connections/${connection}/terminal-lab`, move);
}

/** Terminals count their transactions; the clock does it for this one. */
export function nextTxnId(now = Date.now()): string {
  return String(now) + String(Math.floor(Math.random() * 1000)).padStart(3, "0");
}

/** The code of an answer: 0 is yes, 1 is "later", all others are no. */
export function resultOf(xml: string): number | undefined {
  const match = /<result[^>]*>\s*(\d+)\s*<\/result>/.exec(xml);
  return match ? Number(match[1]) : undefined;
}

export function commentOf(xml: string): string | undefined {
  const text = /<comment>([\s\S]*?)<\/comment>/.exec(xml)?.[1];
  return text ? unescapeXml(text) : undefined;
}

/** What a terminal shows to the payer: names and values of the answer's fields. */
export function fieldsOf(xml: string): { name: string; value: string }[] {
  return [...xml.matchAll(/<field\d+ name="([^"]*)"[^>]*>([\s\S]*?)<\/field\d+>/g)].map((match) => ({
    name: unescapeXml(match[1] ?? ""),
    value: unescapeXml(match[2] ?? ""),
  }));
}

function unescapeXml(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&")
    .trim();
}
