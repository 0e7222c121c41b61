/** A unified diff, in the colours that people know. */
export function Diff({ text, label }: { text: string; label: string }) {
  return (
    <section className="tg-code mono tg-diff" tabIndex={0} aria-label={label}>
      {text.split("\n").map((line, index) => (
        <div key={index} className={kindOf(line)}>
          {line || " "}
        </div>
      ))}
    </section>
  );
}

function kindOf(line: string): string {
  if (line.startsWith("+++") || line.startsWith("---") || line.startsWith("@@")) return "tg-diff-head";
  if (line.startsWith("+")) return "tg-diff-add";
  if (line.startsWith("-")) return "tg-diff-del";
  return "";
}
