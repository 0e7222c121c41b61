import type { MoneyText } from "../api/shapes";
import { formatMoney } from "../format/money";
import { useLanguage } from "../language/language";

export function Money({ value, strong = false }: { value: MoneyText; strong?: boolean }) {
  return <span className={strong ? "tg-money tg-strong" : "tg-money"}>{formatMoney(value, useLanguage())}</span>;
}
