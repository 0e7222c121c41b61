/** Bodies of the wire, laid out for eyes. What cannot be read is shown as it came. */
export function pretty(body: string): { text: string; kind: "json" | "xml" | "form" | "text" } {
  const trimmed = body.trim();
  if (trimmed.startsWith("{") || trimmed.startsWith("[")) {
    try {
      return { text: JSON.stringify(JSON.parse(trimmed), null, 2), kind: "json" };
    } catch {
      return { text: body, kind: "text" };
    }
  }
  if (trimmed.startsWith("<")) return { text: prettyXml(trimmed), kind: "xml" };
  if (/^[\w.[\]%-]+=[^\s]*$/.test(trimmed)) return { text: prettyForm(trimmed), kind: "form" };
  return { text: body, kind: "text" };
}

/** One element a line; an element that holds only text keeps it beside it. */
export function prettyXml(xml: string): string {
  const parts = xml.replace(/>\s+</g, "><").split(/(?<=>)(?=<)/);
  let depth = 0;
  const lines: string[] = [];
  for (const part of parts) {
    const closes = part.startsWith("</");
    if (closes) depth = Math.max(depth - 1, 0);
    lines.push("  ".repeat(depth) + part);
    const opens = /^<[^/?!]/.test(part) && !part.endsWith("/>") && !part.includes("</");
    if (opens) depth += 1;
  }
  return lines.join("\n");
}

export function prettyForm(body: string): string {
  return [...new URLSearchParams(body)].map(([name, value]) => `${name} = ${value}`).join("\n");
}

/** The parameters of an address, one a line. */
export function queryLines(url: string): string {
  const query = url.split("?", 2)[1];
  return query ? prettyForm(query) : "";
}

interface WireRequest {
  method: string;
  url: string;
  request_headers: unknown;
  request_body: string;
}

/** What the log shows, as a command: masked values stay masked, so it is a start and not a replay. */
export function asCurl(request: WireRequest, host: string): string {
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const address = /^https?:/.test(request.url) ? request.url : host + request.url;
  const parts = [`curl ${request.method === "GET" ? "" : `-X ${request.method} `}${quote(address)}`];
  for (const [name, value] of Object.entries((request.request_headers ?? {}) as Record<string, unknown>)) {
    if (/^(host|content-length|connection|accept-encoding)$/i.test(name)) continue;
    parts.push(`-H ${quote(`${name}: ${Array.isArray(value) ? value.join(", ") : String(value)}`)}`);
  }
  if (request.request_body) parts.push(`--data-raw ${quote(request.request_body)}`);
  return parts.join(" \\\n  ");
}
