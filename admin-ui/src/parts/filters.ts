import { useNavigate, useSearch } from "@tanstack/react-router";

export type Filters<K extends string> = { [key in K]?: string };

/** Filters live in the URL, so that every view has an address. */
export function useFilters<K extends string>(...names: K[]): [Filters<K>, (change: Filters<K>) => void, boolean] {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  const values = Object.fromEntries(names.map((name) => [name, search[name]])) as Filters<K>;
  const set = (change: Filters<K>) => {
    void navigate({ to: ".", search: merged(search, change) as never, replace: true });
  };
  return [values, set, names.some((name) => search[name] !== undefined)];
}

/** What is empty leaves the address. */
export function merged(
  search: Record<string, string | undefined>,
  change: Record<string, string | undefined>,
): Record<string, string> {
  const both = Object.entries({ ...search, ...change });
  return Object.fromEntries(both.filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== ""));
}

/** Search parameters as plain texts: an account of digits stays a text. */
export function parseSearch(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const pairs = Object.entries(search).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
}
