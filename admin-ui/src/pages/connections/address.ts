const PRIVATE = /^(localhost|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\[?::1)/;

/** Whether a connection's network is none: played, without TLS, or on a machine of our own. */
export function isTest(config: Record<string, unknown>): boolean {
  const text = addressOf(config);
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === "http:" || PRIVATE.test(hostname);
}

/** Where a connection's config says that its network is. */
export function addressOf(config: Record<string, unknown>): string {
  const names = ["base_url", "api_url", "edge_base", "page_url"];
  const found = names.map((name) => config[name]).find((value) => typeof value === "string" && value !== "");
  return typeof found === "string" ? found : "https://";
}
