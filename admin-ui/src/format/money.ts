import type { MoneyText } from "../api/shapes";
import type { Language } from "../language/language";

const SIGNS: Record<string, string> = { RUB: "₽", USD: "$", EUR: "€", KZT: "₸", GBP: "£", UAH: "₴" };
/** Between figures and sign: no line may break there. */
const NARROW = " ";

/** Amounts are texts with the currency's own places, and stay texts: no float comes near them. */
export function formatMoney({ amount, currency }: MoneyText, language: Language): string {
  const negative = amount.startsWith("-");
  const [whole = "0", fraction] = (negative ? amount.slice(1) : amount).split(".");
  const sign = negative ? "−" : "";
  if (language === "ru") {
    const figures = grouped(whole, NARROW) + (fraction === undefined ? "" : `,${fraction}`);
    return `${sign}${figures}${NARROW}${SIGNS[currency] ?? currency}`;
  }
  const figures = grouped(whole, ",") + (fraction === undefined ? "" : `.${fraction}`);
  return `${sign}${currency}${NARROW}${figures}`;
}

function grouped(digits: string, separator: string): string {
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, separator);
}

/** What people type, as the REST wants it: "1 234,5" is "1234.50". Undefined when it is no amount. */
export function readAmount(text: string, places = 2): string | undefined {
  const plain = text.replace(/[\s  ]/g, "").replace(",", ".");
  const match = /^(\d{1,15})(?:\.(\d*))?$/.exec(plain);
  if (!match) return undefined;
  const fraction = match[2] ?? "";
  if (fraction.length > places) return undefined;
  const whole = (match[1] ?? "0").replace(/^0+(?=\d)/, "");
  return places === 0 ? whole : `${whole}.${fraction.padEnd(places, "0")}`;
}

export function isMoney(value: unknown): value is MoneyText {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as MoneyText).amount === "string" &&
    typeof (value as MoneyText).currency === "string"
  );
}
