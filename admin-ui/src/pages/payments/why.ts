import type { DecisionRecord, HostCall } from "../../api/shapes";
import { isMoney } from "../../format/money";

/** What a script asked, as it wrote it: `list("contracts"):get("42")`. */
export function questionText({ question }: HostCall): string {
  switch (question.ask) {
    case "list_get":
      return `list("${question.list}"):get("${question.key}")`;
    case "velocity":
      return `velocity("${question.key}", ${JSON.stringify(windowTexts(question.windows))})`;
    case "http":
      return `http.${String(question.method).toLowerCase()}("${question.url}")`;
    default:
      return JSON.stringify(question);
  }
}

function windowTexts(windows: unknown): unknown {
  return Array.isArray(windows) && windows.length === 1 ? windows[0] : windows;
}

/** What it was answered, short enough for a margin. */
export function answerText(call: HostCall): string {
  const answer = (call.answer ?? call.error ?? call) as Record<string, unknown>;
  if (typeof answer === "string") return answer;
  if ("present" in answer) {
    if (!answer.present) return "nil";
    return answer.value === null || answer.value === undefined ? "true" : JSON.stringify(answer.value);
  }
  if (Array.isArray(answer.totals)) {
    return answer.totals
      .map((total: { count: number; sums?: { amount: string; currency: string }[] }) =>
        [`count = ${total.count}`, ...(total.sums ?? []).map((sum) => `sum = ${sum.amount} ${sum.currency}`)].join(
          ", ",
        ),
      )
      .join("; ");
  }
  if ("status" in answer) return `status = ${String(answer.status)}`;
  return JSON.stringify(answer);
}

/** Values for the margin: what the request held where a line first read it, and what calls answered. */
export function marginOf(lines: { line: number; text: string }[], record: DecisionRecord): Map<number, string[]> {
  const margin = new Map<number, string[]>();
  const put = (line: number, text: string) => {
    const there = margin.get(line) ?? [];
    if (!there.includes(text)) margin.set(line, [...there, text]);
  };
  const told = new Set<string>();
  for (const { line, text } of lines) {
    for (const match of text.matchAll(/\b(?:request|payment|event)\.(\w+)/g)) {
      const name = match[1] ?? "";
      if (told.has(name) || !(name in record.input.request)) continue;
      told.add(name);
      put(line, `${name} = ${valueText(record.input.request[name])}`);
    }
  }
  for (const call of record.decision.calls) {
    if (call.line) put(call.line, `${questionText(call)} → ${answerText(call)}`);
  }
  return margin;
}

export function valueText(value: unknown): string {
  if (isMoney(value)) return `${value.amount} ${value.currency}`;
  return value === null || value === undefined ? "nil" : JSON.stringify(value);
}

const ANSWERS = /\b(accept|reject|retry_later|route|fee|no_fee|deliver|drop|annotate|error)\b/;

/** The line that answered: the last that ran with a `return` or an answer in it. */
export function decidingLine(lines: { line: number; text: string }[], record: DecisionRecord): number | undefined {
  if (record.decision.line) return record.decision.line;
  // The chunk itself ends by returning its table; a handler's answer stands before that.
  const candidates = lines.filter(({ text }) => /\breturn\b/.test(text) && ANSWERS.test(text));
  return candidates.at(-1)?.line;
}
