import { StreamLanguage, type StreamParser } from "@codemirror/language";
import { json } from "@codemirror/legacy-modes/mode/javascript";
import { lua } from "@codemirror/legacy-modes/mode/lua";
import { xml } from "@codemirror/legacy-modes/mode/xml";
import { classHighlighter, highlightCode, tags } from "@lezer/highlight";

export type CodeKind = "lua" | "json" | "xml" | "form" | "text";

/** The names that the gateway gives to scripts, beside Lua's own. */
const OURS = [
  "accept",
  "reject",
  "retry_later",
  "route",
  "fee",
  "no_fee",
  "deliver",
  "drop",
  "annotate",
  "money",
  "test",
  "rules",
  "ctx",
];

function withOurs(parser: StreamParser<unknown>): StreamParser<unknown> {
  return {
    ...parser,
    token: (stream, state) => {
      const from = stream.pos;
      const found = parser.token(stream, state);
      const word = stream.string.slice(from, stream.pos);
      return (found === "variable" || found === null) && OURS.includes(word) ? "typeName" : found;
    },
  };
}

export const luaLanguage = StreamLanguage.define(withOurs(lua as StreamParser<unknown>));
const languages: Partial<Record<CodeKind, StreamLanguage<unknown>>> = {
  lua: luaLanguage,
  json: StreamLanguage.define({ ...(json as StreamParser<unknown>), tokenTable: { property: tags.propertyName } }),
  xml: StreamLanguage.define(xml as StreamParser<unknown>),
};

export interface Piece {
  text: string;
  className: string;
}

/** The lines of a text, each in coloured pieces. */
export function highlightLines(text: string, kind: CodeKind): Piece[][] {
  const parser = languages[kind]?.parser;
  if (!parser) return text.split("\n").map((line) => [{ text: line, className: "" }]);
  const lines: Piece[][] = [[]];
  highlightCode(
    text,
    parser.parse(text),
    classHighlighter,
    (piece, className) => lines.at(-1)?.push({ text: piece, className }),
    () => lines.push([]),
  );
  return lines;
}
