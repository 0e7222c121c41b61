import { Button, TextInput } from "@mantine/core";
import { IconRefresh } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { ask } from "../../api/client";
import type { MoneyText } from "../../api/shapes";
import { formatMoney, readAmount } from "../../format/money";
import { texts, useLanguage, useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Money } from "../../parts/Money";
import { Facts } from "../../parts/Page";
import { say, sayFailed } from "../../parts/Toasts";
import { useMay } from "../../session/permissions";

const actionWords = texts(
  {
    capture: "Capture",
    reverse: "Release the hold",
    refund: "Refund",
    refresh: "Ask the network now",
    refreshed: "The network was asked",
    amount: (most: string) => `Amount, at most ${most}`,
    captureText:
      "Held money is taken. What is not taken stays held until it is captured, released or its time is over.",
    reverseText: "Held money is released to the payer. It cannot be held again.",
    refundText: "Captured money goes back to the payer. It cannot be taken again.",
    done: "The network took it",
    authorized: "Held",
    captured: "Captured",
    reversed: "Released",
    refunded: "Given back",
    order: "Order",
    orderId: "Order id",
    method: "Method",
    methods: {
      hosted_page: "payment page",
      card: "card",
      token: "saved by the network",
      device_wallet: "wallet of the device",
      qr: "QR code",
      wallet: "wallet",
      phone: "phone number",
    } as Record<string, string>,
    card: "Card",
    description: "Description",
  },
  {
    capture: "Списать",
    reverse: "Снять удержание",
    refund: "Вернуть",
    refresh: "Спросить сеть сейчас",
    refreshed: "Сеть спросили",
    amount: (most: string) => `Сумма, не больше ${most}`,
    captureText:
      "Удержанные деньги списываются. Остаток удерживается, пока его не спишут, не снимут или не выйдет срок.",
    reverseText: "Удержанные деньги возвращаются плательщику. Удержать их снова нельзя.",
    refundText: "Списанные деньги возвращаются плательщику. Списать их снова нельзя.",
    done: "Сеть приняла",
    authorized: "Удержано",
    captured: "Списано",
    reversed: "Снято",
    refunded: "Возвращено",
    order: "Заказ",
    orderId: "Номер заказа",
    method: "Способ",
    methods: {
      hosted_page: "страница оплаты",
      card: "карта",
      token: "сохранённый в сети",
      device_wallet: "кошелёк устройства",
      qr: "QR-код",
      wallet: "кошелёк",
      phone: "номер телефона",
    } as Record<string, string>,
    card: "Карта",
    description: "Описание",
  },
);

/** A payment that a merchant's system made, as far as this page reads it. */
export interface Order {
  status: string;
  order_id: string | null;
  method: string;
  description: string | null;
  authorized: MoneyText | null;
  captured: MoneyText | null;
  reversed: MoneyText | null;
  refunded: MoneyText | null;
  capturable?: MoneyText | null;
  refundable?: MoneyText | null;
  card?: { masked_pan?: string | null } | null;
}

const OPEN = ["created", "requires_action", "processing", "authorized", "partially_captured", "in_doubt"];

/** Whether there is any of it. */
export function some(money: MoneyText | null | undefined): money is MoneyText {
  return !!money && /[1-9]/.test(money.amount);
}

type Act = "capture" | "reverse" | "refund";

/** The amounts of an order, and the steps that its state allows. */
export function Actions({ merchant, payment, order }: { merchant: string; payment: string; order: Order }) {
  const t = useTexts(actionWords);
  const queries = useQueryClient();
  const allowed = useMay("payments:write", merchant);
  const [act, setAct] = useState<Act>();
  const path = `/admin/v1/merchants/${merchant}/payments/${payment}`;
  const changed = () => {
    for (const key of ["payment", "payment-exchanges", "payment-deliveries", "payments"]) {
      void queries.invalidateQueries({ queryKey: [key, merchant] });
    }
  };
  const refresh = async () => {
    try {
      await ask("POST", `${path}/refresh`);
      say(t.refreshed);
      changed();
    } catch (failure) {
      sayFailed(failure);
    }
  };
  const facts: [string, React.ReactNode][] = [];
  if (order.order_id)
    facts.push([
      t.orderId,
      <span key="o" className="mono">
        {order.order_id}
      </span>,
    ]);
  facts.push([t.method, t.methods[order.method] ?? order.method]);
  if (order.card?.masked_pan)
    facts.push([
      t.card,
      <span key="c" className="mono">
        {order.card.masked_pan}
      </span>,
    ]);
  if (order.description) facts.push([t.description, order.description]);
  for (const name of ["authorized", "captured", "reversed", "refunded"] as const) {
    const amount = order[name];
    if (some(amount)) facts.push([t[name], <Money key={name} value={amount} />]);
  }
  return (
    <div className="tg-card">
      <h2>{t.order}</h2>
      <Facts of={facts} />
      {allowed && (
        <div className="tg-inline tg-payment-actions">
          {some(order.capturable) && (
            <Button size="xs" onClick={() => setAct("capture")}>
              {t.capture}
            </Button>
          )}
          {some(order.capturable) && (
            <Button size="xs" variant="default" onClick={() => setAct("reverse")}>
              {t.reverse}
            </Button>
          )}
          {some(order.refundable) && (
            <Button size="xs" variant="default" onClick={() => setAct("refund")}>
              {t.refund}
            </Button>
          )}
          {OPEN.includes(order.status) && (
            <Button size="xs" variant="subtle" leftSection={<IconRefresh size={15} />} onClick={() => void refresh()}>
              {t.refresh}
            </Button>
          )}
        </div>
      )}
      {act && (
        <Step
          act={act}
          most={(act === "refund" ? order.refundable : order.capturable) as MoneyText}
          path={path}
          onClose={() => setAct(undefined)}
          onDone={changed}
        />
      )}
    </div>
  );
}

/** A key that makes a doubled click one step. Plain HTTP has no randomUUID. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

interface StepProps {
  act: Act;
  most: MoneyText;
  path: string;
  onClose: () => void;
  onDone: () => void;
}

function Step({ act, most, path, onClose, onDone }: StepProps) {
  const t = useTexts(actionWords);
  const language = useLanguage();
  const key = useMemo(newKey, []);
  const [amount, setAmount] = useState(most.amount);
  const places = most.amount.split(".")[1]?.length ?? 0;
  const read = readAmount(amount, places);
  const run = async () => {
    if (read === undefined) throw new Error(t.amount(formatMoney(most, language)));
    const body = { amount: { amount: read, currency: most.currency } };
    await ask("POST", `${path}/${act}`, body, { "Idempotency-Key": key });
    say(t.done);
    onDone();
  };
  return (
    <Confirm opened onClose={onClose} title={t[act]} action={t[act]} dangerous={act !== "capture"} run={run}>
      <p>{t[`${act}Text`]}</p>
      <TextInput
        label={t.amount(formatMoney(most, language))}
        required
        inputMode="decimal"
        error={read === undefined}
        value={amount}
        onChange={(event) => setAmount(event.currentTarget.value)}
        data-autofocus
      />
    </Confirm>
  );
}
