import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useMe } from "../session/permissions";
import { answer, api } from "./client";

/** The merchant whose page this is. */
export function useMerchantSlug(): string {
  const { merchant } = useParams({ strict: false }) as { merchant?: string };
  if (merchant === undefined) throw new Error("this page belongs to a merchant");
  return merchant;
}

export interface KnownMerchant {
  id?: string;
  slug: string;
  name: string;
  status?: string;
}

/** Of an operator all (the first two hundred; search finds the rest), of others their own. */
export function useMerchants(): KnownMerchant[] | undefined {
  const me = useMe();
  const all = useQuery({
    queryKey: ["merchants"],
    queryFn: () => answer(api.GET("/admin/v1/merchants", { params: { query: { limit: 200 } } })),
    enabled: !!me.operator_role,
    staleTime: 30_000,
  });
  if (!me.operator_role) return me.memberships.map(({ merchant }) => merchant);
  return all.data?.data;
}

export function useMerchant() {
  const merchant = useMerchantSlug();
  return useQuery({
    queryKey: ["merchant", merchant],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}", { params: { path: { merchant } } })),
    staleTime: 30_000,
  });
}

export function useConnections(merchant: string, enabled = true) {
  return useQuery({
    queryKey: ["connections", merchant],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/connections", { params: { path: { merchant } } })),
    staleTime: 15_000,
    enabled,
  });
}

/** Names of connections by id, for tables. */
export function useConnectionNames(merchant: string): Map<string, string> {
  const { data } = useConnections(merchant);
  return new Map(data?.data.map((connection) => [connection.id, connection.slug]));
}
