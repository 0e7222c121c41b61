import type { ruleWords } from "./words";

type Words = Record<string, string>;

/** A group of a replay's report in words: `reason: forbidden → account_not_found`, `accept → reject`, `text`. */
export function changeText(change: string, t: (typeof ruleWords)["en"], states: Words, reasons: Words): string {
  const [kind, rest] = change.includes(": ") ? (change.split(/: (.*)/s, 2) as [string, string]) : ["", change];
  const sides = (words: Words) => rest.split(" → ").map((side) => words[side] ?? side);
  switch (kind) {
    case "reason":
      return `${t.changeKinds.reason}: ${sides(reasons).join(" → ")}`;
    case "route":
      return `${t.changeKinds.route}: ${rest}`;
    case "error":
      return `${t.changeKinds.error}: ${rest}`;
    default:
      return t.changeKinds[rest] ?? sides(states).join(" → ");
  }
}
