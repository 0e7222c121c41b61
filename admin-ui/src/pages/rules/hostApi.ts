/** The host API as completion knows it, read from the same file that editors elsewhere use. */
import declarations from "../../../../scripts/types/tollgate.d.luau?raw";

export interface Member {
  name: string;
  type: string;
  doc: string;
  method: boolean;
}

export interface HostApi {
  functions: Member[];
  types: Map<string, Member[]>;
  reasons: string[];
}

export function readHostApi(text: string): HostApi {
  const functions: Member[] = [];
  const types = new Map<string, Member[]>();
  const reasons: string[] = [];
  let inside: Member[] | undefined;
  let inReasons = false;
  let doc: string[] = [];
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    const comment = /^-- (?!─)(.*)$/.exec(line);
    if (comment) {
      doc.push(comment[1] ?? "");
      continue;
    }
    const said = doc.join(" ");
    doc = [];
    const opens = /^declare extern type (\w+) with/.exec(line) ?? /^export type (\w+) = \{/.exec(line);
    if (opens) {
      inside = [];
      types.set(opens[1] ?? "", inside);
      continue;
    }
    if (line === "end" || line === "}") inside = undefined;
    inReasons = inReasons || /^export type Reason =/.test(line);
    const reason = inReasons && /^\|? ?"(\w+)"/.exec(line);
    if (reason) reasons.push(reason[1] ?? "");
    else if (line && !/^export type Reason/.test(line)) inReasons = false;
    const called = /^declare function (\w+)(\(.*)$/.exec(line);
    if (called) functions.push({ name: called[1] ?? "", type: called[2] ?? "", doc: said, method: false });
    if (!inside) continue;
    const method = /^function (\w+)\(self,? ?(.*)$/.exec(line);
    const field = /^(\w+): (.+?),?$/.exec(line);
    if (method && !method[1]?.startsWith("__"))
      inside.push({ name: method[1] ?? "", type: `(${method[2]}`, doc: said, method: true });
    else if (field) inside.push({ name: field[1] ?? "", type: field[2] ?? "", doc: said, method: false });
  }
  return { functions, types, reasons };
}

export const hostApi = readHostApi(declarations);

/** What stands before the cursor, as the type whose members come next: `ctx.http.` is Http. */
export function typeBefore(text: string): string | undefined {
  const known: [RegExp, string][] = [
    [/\bctx\.http[.:]\w*$/, "Http"],
    [/\bctx\.list\([^()]*\)[.:]\w*$/, "List"],
    [/\bctx\.velocity\([^()]*\)[.:]\w*$/, "Totals"],
    [/\bctx\.time\([^()]*\)[.:]\w*$/, "Time"],
    [/\.amount[.:]\w*$/, "Money"],
    [/\bmoney\([^()]*\)[.:]\w*$/, "Money"],
    [/\bctx[.:]\w*$/, "Context"],
    [/\brequest[.:]\w*$/, "Request"],
    [/\bevent\.payment[.:]\w*$/, "Payment"],
    [/\bpayment[.:]\w*$/, "Payment"],
    [/\bevent[.:]\w*$/, "Event"],
    [/\brules\.\w*$/, "Rules"],
  ];
  return known.find(([pattern]) => pattern.test(text))?.[1];
}
