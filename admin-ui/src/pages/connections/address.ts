/** Where a connection's config says that its network is. */
export function addressOf(config: Record<string, unknown>): string {
  const names = ["base_url", "api_url", "edge_base", "page_url"];
  const found = names.map((name) => config[name]).find((value) => typeof value === "string" && value !== "");
  return typeof found === "string" ? found : "https://";
}
