import type { Language } from "../language/language";

const formats = new Map<string, Intl.DateTimeFormat>();

function format(language: Language, kind: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${language} ${kind}`;
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(language === "ru" ? "ru-RU" : "en-GB", options);
    formats.set(key, made);
  }
  return made;
}

const CLOCK: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

/** In the viewer's zone. The year is said when it is not this one. */
export function formatMoment(at: string, language: Language, now = new Date()): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  if (date.getFullYear() === now.getFullYear()) {
    return format(language, "moment", { day: "numeric", month: "short", ...CLOCK }).format(date);
  }
  return format(language, "moment+year", { day: "numeric", month: "short", year: "numeric", ...CLOCK }).format(date);
}

export function formatDay(at: string, language: Language): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime())
    ? at
    : format(language, "day", { day: "numeric", month: "short", year: "numeric" }).format(date);
}

export function formatClock(at: string, language: Language): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? at : format(language, "clock", CLOCK).format(date);
}

/** "2026-11-28 14:02:11.123 UTC", for the hover. */
export function formatUtc(at: string): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? at : date.toISOString().replace("T", " ").replace("Z", " UTC");
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** "3 minutes ago", "in 2 days". */
export function formatAgo(at: string, language: Language, now = Date.now()): string {
  const seconds = (Date.parse(at) - now) / 1000;
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}

export function formatMicros(micros: number, language: Language): string {
  const text = (value: number, digits: number) => value.toLocaleString(language, { maximumFractionDigits: digits });
  const [us, ms, s] = language === "ru" ? ["мкс", "мс", "с"] : ["µs", "ms", "s"];
  if (micros < 1_000) return `${text(micros, 0)} ${us}`;
  if (micros < 1_000_000) return `${text(micros / 1_000, micros < 10_000 ? 1 : 0)} ${ms}`;
  return `${text(micros / 1_000_000, 1)} ${s}`;
}

/** What a date-time field holds, in the viewer's zone, as the REST wants it; empty for nothing. */
export function localToUtc(local: string): string | undefined {
  const date = new Date(local);
  return local && !Number.isNaN(date.getTime()) ? date.toISOString() : undefined;
}

export function utcToLocal(at: string | undefined): string {
  const date = new Date(at ?? "");
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
