import { useSyncExternalStore } from "react";

export type Language = "en" | "ru";

const KEY = "tollgate-language";
const listeners = new Set<() => void>();
let current: Language = remembered();

function remembered(): Language {
  const kept = read();
  if (kept === "en" || kept === "ru") return kept;
  const wanted = typeof navigator === "undefined" ? "en" : navigator.language;
  return wanted.startsWith("ru") ? "ru" : "en";
}

function read(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    // Storage may be switched off; the browser's own language serves then.
    return null;
  }
}

export function language(): Language {
  return current;
}

export function setLanguage(next: Language): void {
  current = next;
  document.documentElement.lang = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // It holds for this visit.
  }
  for (const listener of listeners) listener();
}

export function useLanguage(): Language {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, language);
}

/** The texts of one page, in both languages; a text that one of them lacks does not compile. */
export function texts<T>(en: T, ru: NoInfer<T>): { en: T; ru: T } {
  return { en, ru };
}

export function useTexts<T>(both: { en: T; ru: T }): T {
  return both[useLanguage()];
}

const russianPlural = new Intl.PluralRules("ru");

/** A number with its noun: `many(5, "платёж", "платежа", "платежей")`. */
export function many(n: number, one: string, few: string, other: string): string {
  const form = russianPlural.select(n);
  return `${n.toLocaleString("ru")} ${form === "one" ? one : form === "few" ? few : other}`;
}

export function some(n: number, one: string, other = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : other}`;
}
