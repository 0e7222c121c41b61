import type { Language } from "../language/language";

const UNITS: Record<Language, string[]> = { en: ["B", "KiB", "MiB", "GiB"], ru: ["Б", "КиБ", "МиБ", "ГиБ"] };

export function formatBytes(bytes: number, language: Language): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < 3) {
    size /= 1024;
    unit += 1;
  }
  return `${size.toLocaleString(language, { maximumFractionDigits: size < 10 && unit > 0 ? 1 : 0 })} ${UNITS[language][unit]}`;
}

/** Hundredths of a percent, as the rules' shares are kept. */
export function formatBasisPoints(points: number, language: Language): string {
  return `${(points / 100).toLocaleString(language, { maximumFractionDigits: 2 })} %`;
}

export function formatCount(n: number, language: Language): string {
  return n.toLocaleString(language);
}
