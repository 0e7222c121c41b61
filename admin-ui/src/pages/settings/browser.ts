/** "Firefox, Linux" of what browsers say about themselves. */
export function browserName(agent: string): string {
  const browser = ["Edg", "OPR", "YaBrowser", "Firefox", "Chrome", "Safari"].find((name) => agent.includes(`${name}/`));
  const system = ["Windows", "Android", "iPhone", "Mac OS X", "Linux"].find((name) => agent.includes(name));
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera", YaBrowser: "Yandex", "Mac OS X": "macOS" };
  const said = [browser, system]
    .filter((name): name is string => name !== undefined)
    .map((name) => names[name] ?? name);
  return said.join(", ") || agent.slice(0, 40) || "—";
}
