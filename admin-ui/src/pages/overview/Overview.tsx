import { Button, SegmentedControl, Skeleton } from "@mantine/core";
import { IconChevronRight, IconCircleCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useMemo } from "react";
import { ask, type Schema } from "../../api/client";
import { useMerchant, useMerchantSlug, useMerchants } from "../../api/merchants";
import type { PaymentObject } from "../../api/shapes";
import { formatCount } from "../../format/size";
import { formatMicros, formatMoment } from "../../format/time";
import { useLanguage, useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { Failed } from "../../parts/Failed";
import { useFilters } from "../../parts/filters";
import { Moment } from "../../parts/Moment";
import { Money } from "../../parts/Money";
import { Page, Section } from "../../parts/Page";
import { Mark, Status } from "../../parts/Status";
import { useMay } from "../../session/permissions";
import { useChecklist } from "../merchants/golive";
import { readPayments } from "../payments/read";
import { change, columnsOf, percent } from "./figures";
import { needsOf } from "./needs";
import "./overview.css";
import { overviewWords } from "./words";

const Series = lazy(() => import("./Series").then((module) => ({ default: module.Series })));
const WATCH_MS = 5_000;
const LATEST = 8;
const SPANS = { hour: 3_600, day: 86_400, week: 604_800 } as const;
type Span = keyof typeof SPANS;
type View = Schema["Overview"];

/** How things are, and how far back is looked. */
function useOverview(path: string) {
  const [{ span }, setFilter] = useFilters("span");
  const chosen: Span = span && span in SPANS ? (span as Span) : "day";
  const overview = useQuery({
    queryKey: ["overview", path, chosen],
    queryFn: () => ask<View>("GET", `${path}?span_s=${SPANS[chosen]}`),
    refetchInterval: WATCH_MS,
  });
  const choose = (value: string) => setFilter({ span: value === "day" ? "" : value });
  return { overview, span: chosen, choose };
}

export function MerchantOverview() {
  const t = useTexts(overviewWords);
  const merchant = useMerchantSlug();
  const name = useMerchant().data?.name;
  const { overview, span, choose } = useOverview(`/admin/v1/merchants/${merchant}/overview`);
  const latest = useLatest(merchant);
  return (
    <Page title={t.title} name={`${t.title} ${name ?? merchant}`} action={<Spans span={span} choose={choose} />}>
      <GoingLive merchant={merchant} />
      {overview.error && !overview.data ? (
        <Failed error={overview.error} retry={() => void overview.refetch()} />
      ) : (
        <>
          <Needs view={overview.data} merchant={merchant} />
          <Numbers view={overview.data} span={span} />
          <Owners view={overview.data} title={t.connections} to={(slug) => `/m/${merchant}/connections/${slug}`} />
        </>
      )}
      {!latest.error && <Latest merchant={merchant} payments={latest.data?.data} />}
    </Page>
  );
}

/** Of all merchants, for operators. */
export function AllOverview() {
  const t = useTexts(overviewWords);
  const allowed = useMay("installation:read");
  const { overview, span, choose } = useOverview("/admin/v1/overview");
  if (!allowed) return null;
  return (
    <Page title={t.title} name={`${t.title}, ${t.all}`} action={<Spans span={span} choose={choose} />}>
      {overview.error && !overview.data ? (
        <Failed error={overview.error} retry={() => void overview.refetch()} />
      ) : (
        <>
          <Needs view={overview.data} />
          <Numbers view={overview.data} span={span} />
          {overview.data?.owners.length === 0 ? (
            <div className="tg-section">
              <Empty
                title={t.noPayments}
                action={
                  <Button variant="default" component={Link} to="/merchants">
                    {t.merchants}
                  </Button>
                }
              >
                {t.noPaymentsAll}
              </Empty>
            </div>
          ) : (
            <Owners view={overview.data} title={t.busiest} to={(slug) => `/m/${slug}/overview`} />
          )}
        </>
      )}
    </Page>
  );
}

function Spans({ span, choose }: { span: Span; choose: (span: string) => void }) {
  const t = useTexts(overviewWords);
  return (
    <SegmentedControl
      size="xs"
      aria-label={t.span}
      value={span}
      onChange={choose}
      data={(Object.keys(SPANS) as Span[]).map((value) => ({ value, label: t.spans[value] ?? value }))}
    />
  );
}

function GoingLive({ merchant }: { merchant: string }) {
  const t = useTexts(overviewWords);
  const checklist = useChecklist(merchant).data;
  if (!checklist || checklist.ready) return null;
  const done = checklist.steps.filter((step) => step.done).length;
  return (
    <Link to={`/m/${merchant}/setup`} className="tg-need tg-card">
      <Mark tone="amber" shape="half" />
      <span className="tg-strong">{t.setup(done, checklist.steps.length)}</span>
      <IconChevronRight size={16} aria-hidden="true" />
    </Link>
  );
}

function Needs({ view, merchant }: { view: View | undefined; merchant?: string }) {
  const t = useTexts(overviewWords);
  const merchants = useMerchants();
  const language = useLanguage();
  if (!view) return <Skeleton height={64} mt={12} />;
  const names = new Map(merchants?.map(({ slug, name }) => [slug, name]));
  const needs = needsOf(view, merchant, t, language, (slug) => names.get(slug) ?? slug);
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
                {need.of && <span className="tg-quiet">{need.of} · </span>}
                <span className="tg-strong">{need.title}</span>{" "}
                {need.at && (
                  <span className="tg-quiet">
                    <Moment at={need.at} as="ago" />
                  </span>
                )}
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

function Numbers({ view, span }: { view: View | undefined; span: Span }) {
  const t = useTexts(overviewWords);
  const language = useLanguage();
  const columns = useMemo(() => view && columnsOf(view.series), [view]);
  if (!view || !columns) {
    return (
      <div className="tg-numbers">
        {[1, 2, 3, 4].map((key) => (
          <Skeleton key={key} height={92} />
        ))}
      </div>
    );
  }
  const count = formatCount(view.payments, language);
  const times = view.answer_times;
  return (
    <>
      <div className="tg-numbers">
        <Figure
          name={t.payments}
          value={view.complete ? count : t.moreThan(count)}
          note={
            view.complete ? (
              <Change now={view.payments} before={view.week_before.payments} none={t.last[span] ?? ""} />
            ) : (
              t.newest(formatMoment(view.counted_from, language))
            )
          }
        />
        <Figure
          name={t.success}
          value={percent(view.success_per_mille, language)}
          note={
            view.week_before.success_per_mille === null
              ? t.refusedOf(view.declined)
              : t.weekBefore(percent(view.week_before.success_per_mille, language))
          }
        />
        <Figure
          name={t.amount}
          value={
            view.amounts.length === 0
              ? "—"
              : view.amounts.slice(0, 2).map((sum) => (
                  <div key={sum.currency}>
                    <Money value={sum} />
                  </div>
                ))
          }
          note={t.rate}
        />
        <Figure
          name={t.answerTime}
          value={times ? `${formatMicros(times.p50_us, language)} · ${formatMicros(times.p99_us, language)}` : "—"}
          note={t.p50p99}
        />
      </div>
      {view.payments > 0 && (
        <Section title={t.series}>
          <Suspense fallback={<Skeleton height={250} />}>
            <Series at={columns.at} counts={columns.counts} label={t.series} />
          </Suspense>
        </Section>
      )}
    </>
  );
}

/** Against the same hours a week before. */
function Change({ now, before, none }: { now: number; before: number; none: string }) {
  const t = useTexts(overviewWords);
  const language = useLanguage();
  const changed = change(now, before);
  if (changed === undefined) return none;
  const sign = changed > 0 ? "+" : changed < 0 ? "−" : "±";
  return t.changed(`${sign}${Math.abs(changed)} %`, formatCount(before, language));
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

/** Connections of a merchant, or merchants: small multiples over the same time. */
function Owners({ view, title, to }: { view: View | undefined; title: string; to: (slug: string) => string }) {
  const t = useTexts(overviewWords);
  const language = useLanguage();
  if (!view?.owners.length) return null;
  return (
    <Section title={title}>
      <div className="tg-cards">
        {view.owners.map((owner) => (
          <Link key={owner.id} to={to(owner.slug)} className="tg-card tg-connection">
            <span className="tg-inline tg-spread">
              <span className="tg-strong">{owner.name}</span>
              <Status of={owner.status} />
            </span>
            <span className="tg-quiet">
              {owner.payments === 0 ? t.quiet : t.paymentsOf(owner.payments)}
              {owner.success_per_mille !== null && ` · ${percent(owner.success_per_mille, language)} ${t.rate}`}
              {owner.answer_times && ` · ${formatMicros(owner.answer_times.p99_us, language)}`}
            </span>
            {owner.amounts.length > 0 && (
              <span>
                {owner.amounts.slice(0, 3).map((sum, at) => (
                  <span key={sum.currency}>
                    {at > 0 && " · "}
                    <Money value={sum} />
                  </span>
                ))}
              </span>
            )}
            {owner.payments > 0 && <Spark all={owner.payments_by_piece} refused={owner.refused_by_piece} />}
          </Link>
        ))}
      </div>
    </Section>
  );
}

/** Columns of all, and of what was refused, over the same time. */
function Spark({ all, refused }: { all: number[]; refused: number[] }) {
  const most = Math.max(1, ...all);
  const column = (count: number, at: number, fill: string) => (
    <rect x={at * 4} width={3} y={28 - (28 * count) / most} height={(28 * count) / most} fill={fill} />
  );
  return (
    <svg className="tg-spark" viewBox={`0 0 ${all.length * 4} 28`} preserveAspectRatio="none" aria-hidden="true">
      {all.map((count, at) => (
        <g key={at}>
          {column(count, at, "var(--tg-accent)")}
          {column(refused[at] ?? 0, at, "var(--tg-red)")}
        </g>
      ))}
    </svg>
  );
}

function useLatest(merchant: string) {
  const latest = useQuery({
    queryKey: ["latest-payments", merchant],
    queryFn: () => readPayments(merchant, {}, undefined, LATEST),
    refetchInterval: WATCH_MS,
  });
  return latest;
}

function Latest({ merchant, payments }: { merchant: string; payments: PaymentObject[] | undefined }) {
  const t = useTexts(overviewWords);
  const mayPlay = useMay("terminal_lab:write", merchant);
  if (!payments) return <Skeleton height={200} mt={28} />;
  if (payments.length === 0) {
    return (
      <div className="tg-section">
        <Empty
          title={t.noPayments}
          action={
            mayPlay && (
              <Button variant="default" component={Link} to={`/m/${merchant}/lab`}>
                {t.lab}
              </Button>
            )
          }
        >
          {t.noPaymentsText}
        </Empty>
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
        {payments.map((payment) => (
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
