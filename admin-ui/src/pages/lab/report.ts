import type { Schema } from "../../api/client";
import type { labWords } from "./words";

/** The report as a page of its own, to be sent to a network or printed. */
export function reportPage(report: Schema["ConformanceReport"], t: (typeof labWords)["en"]): string {
  const rows = report.cases.map(
    (line) => `<tr>
<td>${line.passed ? "✓" : "✗"} ${text(t.cases[line.case] ?? line.case)}</td>
<td>${text(t.wants[line.expected] ?? line.expected)}</td>
<td>${line.result ?? `HTTP ${line.status}`}</td>
<td>${line.took_ms} ms</td>
</tr>
<tr><td colspan="4"><pre>${text(line.request)}</pre><pre>${text(line.response)}</pre></td></tr>`,
  );
  const title = `${t.conformance}: ${report.merchant}/${report.connection}`;
  return `<!doctype html>
<meta charset="utf-8">
<title>${text(title)}</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 60em; color: #111 }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ccc; padding: 6px 8px; text-align: left; vertical-align: top }
pre { font-size: 11px; margin: 0 0 6px; overflow-wrap: anywhere; white-space: pre-wrap }
</style>
<h1>${text(title)}</h1>
<p>${text(report.at)} · ${text(report.account)} · <strong>${text(t.passed(report.passed, report.cases.length))}</strong></p>
<table>
<tr><th>${text(t.step)}</th><th>${text(t.expected)}</th><th>${text(t.got)}</th><th></th></tr>
${rows.join("\n")}
</table>
`;
}

function text(raw: string): string {
  return raw.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
