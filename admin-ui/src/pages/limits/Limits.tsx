import { Progress, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, type Schema } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import { formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Page, Section } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import "./limits.css";
import { TrafficForm } from "./TrafficForm";
import { limitWords } from "./words";

type Usage = Schema["UsageView"];
type Refused = Schema["RefusedView"];
const WATCH_MS = 3_000;

export function Limits() {
  const t = useTexts(limitWords);
  const language = useLanguage();
  const merchant = useMerchantSlug();
  const usage = useQuery({
    queryKey: ["limit-usage", merchant],
    queryFn: () => ask<Usage>("GET", `/admin/v1/merchants/${merchant}/limits/usage`),
    refetchInterval: WATCH_MS,
  });
  const columns: Column<Refused>[] = [
    {
      key: "whose",
      title: t.whose,
      cell: ({ level, subject }) => (
        <span>
          {t.levels[level] ?? level} <span className="mono">{subject}</span>
        </span>
      ),
    },
    { key: "why", title: t.why, cell: ({ reason }) => t.reasons[reason] ?? reason },
    { key: "hour", title: t.lastHour, align: "right", cell: ({ last_hour }) => formatCount(last_hour, language) },
    { key: "day", title: t.lastDay, align: "right", cell: ({ last_day }) => formatCount(last_day, language) },
    { key: "at", title: t.lastAt, cell: ({ last_at }) => <Moment at={last_at} as="ago" /> },
  ];
  return (
    <Page title={t.title} intro={t.intro}>
      {usage.error && !usage.data ? (
        <Failed error={usage.error} retry={() => void usage.refetch()} />
      ) : (
        <>
          <h2 className="tg-hidden">{t.usage}</h2>
          <div className="tg-cards">
            {usage.data ? (
              <>
                <Gates name={t.merchantItself} gates={usage.data.merchant} />
                {usage.data.connections.map((gates) => (
                  <Gates key={gates.connection} name={gates.connection} gates={gates} />
                ))}
              </>
            ) : (
              <Skeleton height={130} />
            )}
          </div>
          <Section title={t.refused}>
            <Rows
              label={t.refused}
              columns={columns}
              list={{
                rows: usage.data?.refused,
                error: usage.error ?? undefined,
                more: undefined,
                loadingMore: false,
                retry: () => void usage.refetch(),
                updatedAt: usage.dataUpdatedAt,
                newer: 0,
              }}
              id={({ level, subject, reason }) => `${level} ${subject} ${reason}`}
              empty={<Empty title={t.nothing}>{t.nothingText}</Empty>}
            />
          </Section>
        </>
      )}
      <Section title={t.set}>
        <TrafficForm merchant={merchant} path={`/admin/v1/merchants/${merchant}/limits`} of="merchant" />
      </Section>
    </Page>
  );
}

function Gates({ name, gates }: { name: string; gates: Usage["merchant"] }) {
  const t = useTexts(limitWords);
  return (
    <div className="tg-card tg-gates">
      <span className="tg-strong">{name}</span>
      <Gate name={t.inFlight} gate={gates.in_flight} />
      <Gate name={t.sockets} gate={gates.sockets} />
    </div>
  );
}

/** From there on it is close. */
const CLOSE = 80;

function Gate({ name, gate }: { name: string; gate: Usage["merchant"]["in_flight"] }) {
  const t = useTexts(limitWords);
  const language = useLanguage();
  const used = gate.held_by_all_nodes ?? gate.in_use;
  const part = gate.cap ? Math.min(100, (100 * used) / gate.cap) : 0;
  const text = t.ofCap(formatCount(used, language), formatCount(gate.cap, language));
  return (
    <div>
      <div className="tg-inline tg-spread tg-small">
        <span>{name}</span>
        <span className={part >= CLOSE ? "tg-red" : "tg-quiet"}>{text}</span>
      </div>
      <Progress
        value={part}
        size="sm"
        color={part >= CLOSE ? "var(--tg-red)" : "var(--tg-accent)"}
        aria-label={`${name}: ${text}`}
      />
    </div>
  );
}
