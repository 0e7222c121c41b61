import { Modal, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import {
  IconActivity,
  IconArrowRight,
  IconBuildingStore,
  IconCode,
  IconKey,
  IconList,
  IconPlug,
  IconReceipt2,
  IconScale,
  IconSearch,
  IconWebhook,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { answer, api } from "../api/client";
import { useMerchants } from "../api/merchants";
import type { PaymentObject } from "../api/shapes";
import { texts, useTexts } from "../language/language";
import { Money } from "../parts/Money";
import { Status } from "../parts/Status";
import { may, useMe } from "../session/permissions";
import { MERCHANT_NAV, navWords, OPERATOR_NAV, SETTINGS } from "./nav";

const searchWords = texts(
  {
    label: "Search",
    placeholder: "Transaction, account, payment id, order, page…",
    nothing: "Nothing matches. Things are found by their whole id, number, account or name.",
    page: "page",
    kinds: {
      merchant: "Merchant",
      connection: "Connection",
      event: "Event",
      delivery: "Delivery",
      endpoint: "Webhook endpoint",
      decision: "Decision",
      settlement: "Registry",
      api_key: "API key",
      list: "List",
    } as Record<string, string>,
  },
  {
    label: "Поиск",
    placeholder: "Транзакция, счёт, платёж, заказ, страница…",
    nothing: "Ничего не найдено. Всё находится по целому номеру, счёту или названию.",
    page: "страница",
    kinds: {
      merchant: "Мерчант",
      connection: "Подключение",
      event: "Событие",
      delivery: "Доставка",
      endpoint: "Получатель вебхуков",
      decision: "Решение",
      settlement: "Реестр",
      api_key: "Ключ API",
      list: "Список",
    } as Record<string, string>,
  },
);

interface Hit {
  key: string;
  to: string;
  icon: typeof IconSearch;
  label: React.ReactNode;
  side?: React.ReactNode;
}

const WAIT_MS = 150;
const LEAST = 2;
const SHOWN = 10;
const MERCHANTS_SHOWN = 5;

export function Search({ onClose }: { onClose: () => void }) {
  const t = useTexts(searchWords);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const navigate = useNavigate();
  const [wanted] = useDebouncedValue(text.trim(), WAIT_MS);
  const found = useFound(wanted);
  const places = usePlaces(text.trim().toLowerCase());
  const hits = [...found.hits, ...places];
  const open = (hit: Hit | undefined) => {
    if (!hit) return;
    onClose();
    void navigate({ to: hit.to });
  };
  const keys = (event: React.KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt((now) => Math.min(now + 1, hits.length - 1));
    else if (event.key === "ArrowUp") setAt((now) => Math.max(now - 1, 0));
    else if (event.key === "Enter") open(hits[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      title={t.label}
      size="lg"
      yOffset="12vh"
      centered={false}
      classNames={{ title: "tg-hidden", header: "tg-hidden", body: "tg-search" }}
    >
      <TextInput
        leftSection={<IconSearch size={16} />}
        placeholder={t.placeholder}
        aria-label={t.label}
        role="combobox"
        aria-expanded={hits.length > 0}
        aria-controls="search-hits"
        aria-activedescendant={hits[at] ? `hit-${at}` : undefined}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={keys}
        data-autofocus
        size="md"
      />
      {hits.length > 0 && (
        <div className="tg-search-results" id="search-hits" role="listbox" aria-label={t.label}>
          {hits.map((hit, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys
            // biome-ignore lint/a11y/useFocusableInteractive: focus stays in the field above
            <div
              key={hit.key}
              id={`hit-${index}`}
              role="option"
              aria-selected={index === at}
              onClick={() => open(hit)}
              onMouseEnter={() => setAt(index)}
            >
              <hit.icon size={16} aria-hidden="true" />
              <span>{hit.label}</span>
              <span className="tg-quiet">{hit.side}</span>
            </div>
          ))}
        </div>
      )}
      {hits.length === 0 && !found.busy && <p className="tg-quiet">{t.nothing}</p>}
    </Modal>
  );
}

/** Things of any merchant that the person may see; of the merchant at hand first. */
function useFound(wanted: string): { hits: Hit[]; busy: boolean } {
  const t = useTexts(searchWords);
  const { merchant } = useParams({ strict: false }) as { merchant?: string };
  const found = useQuery({
    queryKey: ["search", wanted],
    queryFn: () => answer(api.GET("/admin/v1/search", { params: { query: { q: wanted } } })),
    enabled: wanted.length >= LEAST,
    placeholderData: (before) => before,
  });
  const hits = (found.data?.groups ?? []).flatMap(({ kind, hits }) => hits.map((hit) => ({ kind, hit })));
  hits.sort((a, b) => Number(b.hit.merchant === merchant) - Number(a.hit.merchant === merchant));
  const rows = hits.slice(0, SHOWN).map(({ kind, hit }) => {
    const payment = hit.payment as unknown as PaymentObject | null;
    return {
      key: `${kind} ${hit.id}`,
      to: placeOf(kind, hit),
      icon: ICONS[kind] ?? IconArrowRight,
      label: payment ? (
        <>
          <span className="mono">{payment.network_id}</span> · {payment.account} · <Money value={payment.amount} />
        </>
      ) : (
        <>
          {t.kinds[kind] ?? kind}: <span className="mono">{hit.name}</span>
        </>
      ),
      side: (
        <>
          {payment && <Status of={payment.status} />} {hit.merchant !== merchant && hit.merchant_name}
        </>
      ),
    };
  });
  return { hits: wanted.length >= LEAST ? rows : [], busy: found.isFetching };
}

const ICONS: Record<string, typeof IconSearch> = {
  payment: IconReceipt2,
  merchant: IconBuildingStore,
  connection: IconPlug,
  endpoint: IconWebhook,
  delivery: IconWebhook,
  event: IconActivity,
  decision: IconCode,
  settlement: IconScale,
  api_key: IconKey,
  list: IconList,
};

/** Where a thing is shown. */
export function placeOf(kind: string, hit: { id: string; merchant: string; payment_id?: string | null }): string {
  const base = `/m/${hit.merchant}`;
  switch (kind) {
    case "merchant":
      return `${base}/overview`;
    case "decision":
      return `${base}/decisions/${hit.id}`;
    case "endpoint":
      return `${base}/webhooks/${hit.id}`;
    case "settlement":
      return `${base}/reconcile/${hit.id}`;
    case "list":
      return `${base}/lists/${hit.id}`;
    case "api_key":
      return `${base}/keys`;
    case "connection":
      return `${base}/connections`;
    default:
      return hit.payment_id ? `${base}/payments/${hit.payment_id}` : `${base}/webhooks`;
  }
}

function usePlaces(wanted: string): Hit[] {
  const t = useTexts(navWords);
  const s = useTexts(searchWords);
  const me = useMe();
  const merchants = useMerchants();
  const { merchant } = useParams({ strict: false }) as { merchant?: string };
  return useMemo(() => {
    const pages = merchant
      ? MERCHANT_NAV.flat()
          .filter((item) => !item.needs || may(me, item.needs, merchant))
          .map((item) => ({ ...item, path: `/m/${merchant}/${item.path}` }))
      : me.operator_role
        ? OPERATOR_NAV.flat()
        : [];
    const hits: Hit[] = [...pages, SETTINGS]
      .filter((item) => t[item.key].toLowerCase().includes(wanted))
      .map((item) => ({ key: item.path, to: item.path, icon: item.icon, label: t[item.key], side: s.page }));
    const shops = (merchants ?? [])
      .filter(({ slug, name }) => wanted && (slug.includes(wanted) || name.toLowerCase().includes(wanted)))
      .slice(0, MERCHANTS_SHOWN)
      .map(({ slug, name }) => ({
        key: `m ${slug}`,
        to: `/m/${slug}/overview`,
        icon: IconArrowRight,
        label: name,
        side: t.merchant,
      }));
    return [...shops, ...hits];
  }, [wanted, merchant, merchants, me, t, s]);
}
