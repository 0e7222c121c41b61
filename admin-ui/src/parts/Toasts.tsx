import { Button, CloseButton } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { ProblemError } from "../api/client";
import { useTexts } from "../language/language";
import { words } from "./words";

interface Toast {
  id: number;
  text: string;
  tone: "green" | "red";
  /** Takes back what was done, as long as it is told. */
  undo?: (() => Promise<unknown>) | undefined;
}

const SHOWN_MS = 5_000;
/** Long enough to notice a mistake and to reach for it. */
const UNDO_MS = 12_000;
let toasts: Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function change(next: Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

function dismiss(id: number): void {
  change(toasts.filter((toast) => toast.id !== id));
}

export function say(text: string, tone: Toast["tone"] = "green", undo?: Toast["undo"]): void {
  last += 1;
  const id = last;
  change([...toasts.slice(-3), { id, text, tone, undo }]);
  // What went wrong stays until it is read.
  if (tone === "green") setTimeout(() => dismiss(id), undo ? UNDO_MS : SHOWN_MS);
}

export function sayFailed(error: unknown): void {
  say(error instanceof ProblemError ? `${error.problem.title}: ${error.problem.detail}` : String(error), "red");
}

export function Toasts() {
  const t = useTexts(words);
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className="tg-toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={`tg-toast tg-${toast.tone}-chip`}>
          <span>{toast.text}</span>
          {toast.undo && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => {
                dismiss(toast.id);
                void toast.undo?.().catch(sayFailed);
              }}
            >
              {t.undo}
            </Button>
          )}
          <CloseButton size="sm" aria-label={t.close} onClick={() => dismiss(toast.id)} />
        </div>
      ))}
    </div>
  );
}
