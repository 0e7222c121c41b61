import { type InfiniteData, useInfiniteQuery, useQuery } from "@tanstack/react-query";

export interface PageOf<T> {
  data: T[];
  next?: string | null;
}

export interface CursorList<T> {
  rows: T[] | undefined;
  error: unknown;
  more: (() => void) | undefined;
  loadingMore: boolean;
  retry: () => void;
  updatedAt: number;
  /** How many came since the list was read, when it is watched; -1 for more than a page. */
  newer: number;
}

interface Options<T> {
  /** Look for newer rows this often; the list itself stays as it is until they are asked for. */
  watchMs?: number;
  id?: (row: T) => string;
  enabled?: boolean;
}

/** A list of the REST, page by page: no count, no page numbers, so it stays quick whatever its length. */
export function useCursorList<T>(
  key: readonly unknown[],
  page: (cursor: string | undefined) => Promise<PageOf<T>>,
  { watchMs, id, enabled = true }: Options<T> = {},
): CursorList<T> {
  const query = useInfiniteQuery<PageOf<T>, unknown, InfiniteData<PageOf<T>>, readonly unknown[], string | undefined>({
    queryKey: key,
    queryFn: ({ pageParam }) => page(pageParam),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    enabled,
    ...(watchMs ? { refetchOnWindowFocus: false, refetchInterval: false as const } : {}),
  });
  const head = useQuery({
    queryKey: [...key, "head"],
    queryFn: () => page(undefined),
    enabled: enabled && watchMs !== undefined && query.data !== undefined,
    refetchInterval: watchMs ?? false,
    staleTime: 0,
  });
  const first = query.data?.pages[0]?.data[0];
  return {
    rows: query.data?.pages.flatMap((one) => one.data),
    error: query.error ?? undefined,
    more: query.hasNextPage ? () => void query.fetchNextPage() : undefined,
    loadingMore: query.isFetchingNextPage,
    retry: () => void query.refetch(),
    updatedAt: query.dataUpdatedAt,
    newer: countNewer(first, head.data?.data, id),
  };
}

export function countNewer<T>(first: T | undefined, head: T[] | undefined, id?: (row: T) => string): number {
  if (!head?.length || !id) return 0;
  if (first === undefined) return head.length;
  return head.findIndex((row) => id(row) === id(first));
}
