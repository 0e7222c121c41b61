import { Button, Skeleton } from "@mantine/core";
import { IconChevronRight, IconCircleCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useMemo } from "react";
import { answer, api } from "../../api/client";
import { useConnections, useMerchant, useMerchantSlug, useMerchants } from "../../api/merchants";
import type { PaymentObject } from "../../api/shapes";
import { formatCount } from "../../format/size";
import { formatMicros, formatMoment } from "../../format/time";
import { useLanguage, useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Money } from "../../parts/Money";
import { Page, Section } from "../../parts/Page";
import { Mark, Status } from "../../parts/Status";
import { useMay } from "../../session/permissions";
import { useChecklist } from "../merchants/checklist";
import { readPayments } from "../payments/read";
import { bucketsOf, figuresOf, quantile } from "./figures";
import { useNeeds } from "./needs";
import "./overview.css";
import { overviewWords } from "./words";

const Series = lazy(() => import("./Series").then((module) => ({ default: module.Series })));
const DAY_MS = 86_400_000;
const BUCKETS = 48;
const PAGE = 200;
const PAGES_MAX = 5;
const WATCH_MS = 5_000;
const LATEST = 8;

interface Sample {
  payments: PaymentObject[];
  from: number;
  until: number;
  /** There were more than are looked at. */
  cut: boolean;
}

/** The payments of a day, as far as five pages reach. */
async function readSample(merchant: string): Promise<Sample> {
  const until = Date.now();
  const created_from = new Date(until - DAY_MS).toISOString();
  const payments: PaymentObject[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const read = await readPayments(merchant, { created_from }, cursor, PAGE);
    payments.push(...read.data);
    cursor = read.next ?? undefined;
    if (cursor === undefined) break;
  }
  const cut = cursor !== undefined;
  const oldest = payments.at(-1);
  return { payments, from: cut && oldest ? Date.parse(oldest.created_at) : until - DAY_MS, until, cut };
}

export function MerchantOverview() {
  const t = useTexts(overviewWords);
  const merchant = useMerchantSlug();
  const name = useMerchant().data?.name;
  const sample = useQuery({
    queryKey: ["sample", merchant],
    queryFn: () => readSample(merchant),
    refetchInterval: WATCH_MS,
  });
  return (
    <Page title={t.title} name={`${t.title} ${name ?? merchant}`}>
      <GoingLive merchant={merchant} />
      <Needs merchant={merchant} />
      {sample.error ? (
        <Failed error={sample.error} retry={() => void sample.refetch()} />
      ) : (
        <Numbers merchant={merchant} sample={sample.data} />
      )}
      <Connections merchant={merchant} sample={sample.data} />
      <Latest merchant={merchant} payments={sample.data?.payments} />
    </Page>
  );
}

function GoingLive({ merchant }: { merchant: string }) {
  const t = useTexts(overviewWords);
  const steps = useChecklist(merchant);
  if (!steps || steps.every(({ done }) => done)) return null;
  return (
    <Link to={`/m/${merchant}/setup`} className="tg-need tg-card">
      <Mark tone="amber" shape="half" />
      <span className="tg-strong">{t.setup(steps.filter(({ done }) => done).length, steps.length)}</span>
      <IconChevronRight size={16} aria-hidden="true" />
    </Link>
  );
}

function Needs({ merchant }: { merchant: string }) {
  const t = useTexts(overviewWords);
  const needs = useNeeds(merchant);
  if (!needs) return <Skeleton height={64} mt={12} />;
  if (needs.length === 0) {
    return (
      <div className="tg-card tg-inline tg-well">
        <IconCircleCheck size={20} className="tg-green" aria-hidden="true" />
        <span className="tg-strong">{t.well}</span>
        <span className="tg-quiet">{t.wellText}</span>
      </div>
    );
  }
  return (
    <section aria-label={t.needs} className="tg-card tg-needs">
      <h2>{t.needs}</h2>
      <ul>
        {needs.map((need) => (
          <li key={need.key}>
            <Link to={need.to} className="tg-need">
              <Mark
                tone={need.tone}
                shape={need.tone === "red" ? "cross" : need.tone === "violet" ? "diamond" : "triangle"}
              />
              <span>
                <span className="tg-strong">{need.title}</span> {need.at && <Moment at={need.at} as="ago" />}
                {need.text && <span className="tg-quiet tg-need-text">{need.text}</span>}
              </span>
              <IconChevronRight size={16} aria-hidden="true" />
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Numbers({ merchant, sample }: { merchant: string; sample: Sample | undefined }) {
  const t = useTexts(overviewWords);
  const language = useLanguage();
  const times = useAnswerTimes(merchant);
  const buckets = useMemo(
    () =>
      sample &&
      bucketsOf(sample.payments, sample.from, sample.until, Math.max(1, (sample.until - sample.from) / BUCKETS)),
    [sample],
  );
  if (!sample || !buckets) {
    return (
      <div className="tg-numbers">
        {[1, 2, 3, 4].map((key) => (
          <Skeleton key={key} height={92} />
        ))}
      </div>
    );
  }
  const figures = figuresOf(sample.payments);
  const span = sample.cut
    ? t.newest(
        formatCount(sample.payments.length, language),
        formatMoment(new Date(sample.from).toISOString(), language),
      )
    : t.last;
  return (
    <>
      <div className="tg-numbers">
        <Figure
          name={t.payments}
          value={sample.cut ? t.moreThan(formatCount(figures.count, language)) : formatCount(figures.count, language)}
          note={span}
        />
        <Figure
          name={t.success}
          value={
            figures.rate === undefined
              ? "—"
              : `${(figures.rate * 100).toLocaleString(language, { maximumFractionDigits: 1 })} %`
          }
          note={t.paymentsOf(figures.succeeded)}
        />
        <Figure
          name={t.amount}
          value={
            figures.sums.length === 0
              ? "—"
              : figures.sums.slice(0, 2).map((sum) => (
                  <div key={sum.currency}>
                    <Money value={sum} />
                  </div>
                ))
          }
          note={t.rate}
        />
        <Figure
          name={t.answerTime}
          value={times ? `${formatMicros(times.p50, language)} · ${formatMicros(times.p99, language)}` : "—"}
          note={t.p50p99}
        />
      </div>
      {sample.payments.length > 0 && (
        <Section title={t.series}>
          <Suspense fallback={<Skeleton height={250} />}>
            <Series at={buckets.at} counts={buckets.counts} label={t.series} />
          </Suspense>
        </Section>
      )}
    </>
  );
}

/** How long networks waited for us, of the newest two hundred exchanges. */
function useAnswerTimes(merchant: string): { p50: number; p99: number } | undefined {
  const exchanges = useQuery({
    queryKey: ["answer-times", merchant],
    queryFn: () =>
      answer(
        api.GET("/admin/v1/merchants/{merchant}/exchanges", { params: { path: { merchant }, query: { limit: PAGE } } }),
      ),
    refetchInterval: WATCH_MS,
    enabled: useMay("exchanges:read", merchant),
  });
  const durations =
    exchanges.data?.data.filter(({ direction }) => direction === "in").map(({ duration_us }) => duration_us) ?? [];
  const p50 = quantile(durations, 0.5);
  const p99 = quantile(durations, 0.99);
  return p50 === undefined || p99 === undefined ? undefined : { p50, p99 };
}

function Figure({ name, value, note }: { name: string; value: React.ReactNode; note: React.ReactNode }) {
  return (
    <div className="tg-card tg-figure">
      <div className="tg-quiet">{name}</div>
      <div className="tg-figure-value">{value}</div>
      <div className="tg-quiet tg-small">{note}</div>
    </div>
  );
}

function Connections({ merchant, sample }: { merchant: string; sample: Sample | undefined }) {
  const t = useTexts(overviewWords);
  const connections = useConnections(merchant);
  if (!connections.data?.data.length) return null;
  return (
    <Section title={t.connections}>
      <div className="tg-cards">
        {connections.data.data.map((connection) => {
          const mine = sample?.payments.filter(({ connection_id }) => connection_id === connection.id) ?? [];
          const figures = figuresOf(mine);
          return (
            <Link
              key={connection.id}
              to={`/m/${merchant}/connections/${connection.slug}`}
              className="tg-card tg-connection"
            >
              <span className="tg-inline tg-spread">
                <span className="tg-strong">{connection.slug}</span>
                <Status of={connection.status} />
              </span>
              <span className="tg-quiet">
                {figures.count === 0 ? t.quiet : t.paymentsOf(figures.count)}
                {figures.rate !== undefined && ` · ${Math.round(figures.rate * 100)} % ${t.rate}`}
              </span>
              {sample && figures.count > 0 && <Spark payments={mine} from={sample.from} until={sample.until} />}
            </Link>
          );
        })}
      </div>
    </Section>
  );
}

const SPARK_BUCKETS = 32;

/** A small multiple: columns of all, and of what was refused, over the same time. */
function Spark({ payments, from, until }: { payments: PaymentObject[]; from: number; until: number }) {
  const { counts } = bucketsOf(payments, from, until, Math.max(1, (until - from) / SPARK_BUCKETS));
  const totals = counts.succeeded.map((count, at) => count + (counts.declined[at] ?? 0) + (counts.processing[at] ?? 0));
  const most = Math.max(1, ...totals);
  return (
    <svg className="tg-spark" viewBox={`0 0 ${SPARK_BUCKETS * 4} 28`} preserveAspectRatio="none" aria-hidden="true">
      {totals.map((total, at) => (
        <g key={at}>
          <rect
            x={at * 4}
            width={3}
            y={28 - (28 * total) / most}
            height={(28 * total) / most}
            fill="var(--tg-accent)"
          />
          <rect
            x={at * 4}
            width={3}
            y={28 - (28 * (counts.declined[at] ?? 0)) / most}
            height={(28 * (counts.declined[at] ?? 0)) / most}
            fill="var(--tg-red)"
          />
        </g>
      ))}
    </svg>
  );
}

function Latest({ merchant, payments }: { merchant: string; payments: PaymentObject[] | undefined }) {
  const t = useTexts(overviewWords);
  if (!payments) return <Skeleton height={200} mt={28} />;
  if (payments.length === 0) {
    return (
      <div className="tg-section">
        <Empty title={t.noPayments}>{t.noPaymentsText}</Empty>
      </div>
    );
  }
  return (
    <Section
      title={t.latest}
      action={
        <Button size="compact-sm" variant="subtle" component={Link} to={`/m/${merchant}/payments`}>
          {t.allPayments}
        </Button>
      }
    >
      <ul className="tg-latest">
        {payments.slice(0, LATEST).map((payment) => (
          <li key={payment.id}>
            <Link to={`/m/${merchant}/payments/${payment.id}`}>
              <Moment at={payment.created_at} as="clock" />
              <Status of={payment.status} />
              <span className="mono tg-latest-account">{payment.account || payment.network_id}</span>
              <Money value={payment.amount} strong />
            </Link>
          </li>
        ))}
      </ul>
    </Section>
  );
}

export function AllOverview() {
  const t = useTexts(overviewWords);
  const merchants = useMerchants();
  return (
    <Page title={t.title} intro={t.all}>
      {merchants ? (
        <div className="tg-cards">
          {merchants.map((merchant) => (
            <Link key={merchant.slug} to={`/m/${merchant.slug}/overview`} className="tg-card tg-connection">
              <span className="tg-inline tg-spread">
                <span className="tg-strong">{merchant.name}</span>
                {merchant.status && <Status of={merchant.status} />}
              </span>
              <span className="mono tg-quiet">{merchant.slug}</span>
            </Link>
          ))}
        </div>
      ) : (
        <Skeleton height={200} />
      )}
    </Page>
  );
}
