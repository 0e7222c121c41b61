import type { UseQueryResult } from "@tanstack/react-query";
import type { CursorList } from "./list";

/** A list that the REST gives whole, as tables want it. */
export function wholeList<T>(query: UseQueryResult<{ data: T[] }>): CursorList<T> {
  return {
    rows: query.data?.data,
    error: query.error ?? undefined,
    more: undefined,
    loadingMore: false,
    retry: () => void query.refetch(),
    updatedAt: query.dataUpdatedAt,
    newer: 0,
  };
}
