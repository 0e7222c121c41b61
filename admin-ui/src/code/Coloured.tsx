import { useMemo } from "react";
import type { CodeProps } from "./Code";
import { highlightLines, type Piece } from "./highlight";

export function Coloured({ text, kind, label, ran, decided, margin, numbers = false, wrap = false }: CodeProps) {
  const lines = useMemo(() => highlightLines(text, kind), [text, kind]);
  return (
    <section
      className={`tg-code mono${wrap ? " tg-wrap" : ""}${numbers ? " tg-numbered" : ""}`}
      tabIndex={0}
      aria-label={label}
    >
      {lines.map((pieces, index) => {
        const line = index + 1;
        const times = ran?.get(line);
        const indent = wrap ? pieces[0]?.text.match(/^ */)?.[0].length : undefined;
        const kindOf = line === decided ? " tg-line-decided" : times ? " tg-line-ran" : ran ? " tg-line-not" : "";
        return (
          <div key={index} className={`tg-code-line${kindOf}`}>
            {numbers && (
              <span className="tg-code-number" aria-hidden="true">
                {line}
              </span>
            )}
            {indent ? (
              <span className="tg-code-text" style={{ paddingLeft: `${indent}ch`, textIndent: `-${indent}ch` }}>
                <span className="tg-code-indent">{" ".repeat(indent)}</span>
                {pieces.map((one, at) => piece(at === 0 ? { ...one, text: one.text.slice(indent) } : one, at))}
              </span>
            ) : (
              <span className="tg-code-text">{pieces.length ? pieces.map(piece) : "\n"}</span>
            )}
            {(margin?.get(line) || (times && times > 1)) && (
              <span className="tg-code-margin">
                {margin?.get(line)?.join(" · ")}
                {times && times > 1 ? ` ×${times}` : ""}
              </span>
            )}
          </div>
        );
      })}
    </section>
  );
}

function piece({ text, className }: Piece, index: number) {
  return className ? (
    <span key={index} className={className}>
      {text}
    </span>
  ) : (
    text
  );
}
