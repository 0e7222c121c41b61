import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { answer, api, isProblem, ProblemError, type Schema } from "../../api/client";
import type { Checks } from "../../api/shapes";
import { readComplaint } from "./tests";

export type Draft = Schema["DraftView"];

/** Nothing, where the REST says that there is none. */
export async function orNothing<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (isProblem(error, "not_found")) return null;
    throw error;
  }
}

export function usePublished(merchant: string) {
  return useQuery({
    queryKey: ["rules", merchant],
    queryFn: () =>
      orNothing(answer(api.GET("/admin/v1/merchants/{merchant}/rules", { params: { path: { merchant } } }))),
    refetchInterval: 10_000,
  });
}

export function useStoredDraft(merchant: string) {
  return useQuery({
    queryKey: ["draft", merchant],
    queryFn: () =>
      orNothing(answer(api.GET("/admin/v1/merchants/{merchant}/rules/draft", { params: { path: { merchant } } }))),
    refetchOnWindowFocus: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export type Saving =
  | { kind: "saved"; at?: string }
  | { kind: "saving" }
  | { kind: "complaint"; line: number; text: string }
  | { kind: "failed"; error: unknown };

export interface Checked {
  checks: Checks;
  /** The text that they are of. */
  of: string;
}

/** Typing stops for so long before it is saved and checked. */
const PAUSE_MS = 300;

/** Saves what is typed and hears the checks: one request at a time, always the newest text. */
export function useSaving(merchant: string, draft: Draft | null | undefined) {
  const queries = useQueryClient();
  const [saving, setSaving] = useState<Saving>({ kind: "saved" });
  const [checked, setChecked] = useState<Checked>();
  const wanted = useRef<string | undefined>(undefined);
  const busy = useRef(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  useEffect(() => {
    if (draft && !checked) {
      setChecked({ checks: draft.checks as unknown as Checks, of: draft.source });
      setSaving({ kind: "saved", at: draft.updated_at });
    }
  }, [draft, checked]);

  const save = useCallback(async (): Promise<void> => {
    const source = wanted.current;
    if (source === undefined || busy.current) return;
    busy.current = true;
    setSaving({ kind: "saving" });
    try {
      const saved = await answer(
        api.PUT("/admin/v1/merchants/{merchant}/rules/draft", {
          params: { path: { merchant } },
          body: { source, message: "" },
        }),
      );
      queries.setQueryData(["draft", merchant], saved);
      setChecked({ checks: saved.checks as unknown as Checks, of: source });
      setSaving({ kind: "saved", at: saved.updated_at });
    } catch (error) {
      const refused = error instanceof ProblemError && error.problem.field === "source";
      setSaving(refused ? { kind: "complaint", ...readComplaint(error.problem.detail) } : { kind: "failed", error });
    } finally {
      busy.current = false;
    }
    if (wanted.current === source) wanted.current = undefined;
    else void save();
  }, [merchant, queries]);

  const change = useCallback(
    (source: string) => {
      wanted.current = source;
      clearTimeout(timer.current);
      timer.current = setTimeout(() => void save(), PAUSE_MS);
    },
    [save],
  );

  // What is typed is not lost with the tab without a word.
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (wanted.current !== undefined) event.preventDefault();
    };
    window.addEventListener("beforeunload", warn);
    return () => {
      window.removeEventListener("beforeunload", warn);
      if (wanted.current !== undefined) void save();
    };
  }, [save]);

  const forget = useCallback(() => {
    clearTimeout(timer.current);
    wanted.current = undefined;
    setChecked(undefined);
    setSaving({ kind: "saved" });
  }, []);

  return { saving, checked, change, forget };
}
