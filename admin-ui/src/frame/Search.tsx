import { Modal, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconArrowRight, IconReceipt2, IconSearch } from "@tabler/icons-react";
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
    nothing: "Nothing matches. Payments are found by their whole number or account.",
    page: "page",
  },
  {
    label: "Поиск",
    placeholder: "Транзакция, счёт, платёж, заказ, страница…",
    nothing: "Ничего не найдено. Платежи находятся по целому номеру или счёту.",
    page: "страница",
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
const PAYMENTS_SHOWN = 8;
const MERCHANTS_SHOWN = 5;

export function Search({ onClose }: { onClose: () => void }) {
  const t = useTexts(searchWords);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const navigate = useNavigate();
  const [wanted] = useDebouncedValue(text.trim(), WAIT_MS);
  const payments = usePaymentHits(wanted);
  const places = usePlaces(text.trim().toLowerCase());
  const hits = [...payments.hits, ...places];
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
      classNames={{ title: "tg-hidden", header: "tg-hidden" }}
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
      {hits.length === 0 && !payments.busy && <p className="tg-quiet">{t.nothing}</p>}
    </Modal>
  );
}

/** Payments of the merchant at hand; of all, when the page belongs to none. */
function usePaymentHits(wanted: string): { hits: Hit[]; busy: boolean } {
  const { merchant } = useParams({ strict: false }) as { merchant?: string };
  const found = useQuery({
    queryKey: ["search", merchant, wanted],
    queryFn: async () => {
      const query = { search: wanted, limit: PAYMENTS_SHOWN };
      const page = await answer(
        api.GET("/admin/v1/merchants/{merchant}/payments", { params: { path: { merchant: merchant ?? "" }, query } }),
      );
      return (page as unknown as { data: PaymentObject[] }).data;
    },
    enabled: wanted.length >= LEAST && merchant !== undefined,
  });
  const hits = (found.data ?? []).map((payment) => ({
    key: payment.id,
    to: `/m/${merchant}/payments/${payment.id}`,
    icon: IconReceipt2,
    label: (
      <>
        <span className="mono">{payment.network_id}</span> · {payment.account} · <Money value={payment.amount} />
      </>
    ),
    side: <Status of={payment.status} />,
  }));
  return { hits, busy: found.isFetching };
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
