import { useEffect } from "react";
import type { CursorList } from "../../parts/list";

/** While it is on, what is newer is shown at once instead of being counted. */
export function useTail<T>(on: boolean, list: CursorList<T>): void {
  const { newer, retry } = list;
  useEffect(() => {
    if (on && newer !== 0) retry();
  }, [on, newer, retry]);
}
