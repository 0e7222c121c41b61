import { Button, Checkbox, NumberInput, Progress, Skeleton, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ask, type Schema } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import { formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Page, Section } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { say } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import "./limits.css";
import { limitWords } from "./words";

type Usage = Schema["UsageView"];
type Refused = Schema["RefusedView"];
type Window = Schema["RateWindow"];
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
      <Settings merchant={merchant} />
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
      <Progress value={part} size="sm" color={part >= CLOSE ? "red" : "teal"} aria-label={`${name}: ${text}`} />
    </div>
  );
}

interface Wanted {
  rates: Window[] | null;
  peer_rates: Window[] | null;
  in_flight: number | null;
  sockets: number | null;
  below_network_minimum: boolean;
}

function Settings({ merchant }: { merchant: string }) {
  const t = useTexts(limitWords);
  const w = useTexts(words);
  const language = useLanguage();
  const queries = useQueryClient();
  const allowed = useMay("limits:write", merchant);
  const path = `/admin/v1/merchants/${merchant}/limits`;
  const limits = useQuery({ queryKey: ["limits", merchant], queryFn: () => ask<Schema["TrafficView"]>("GET", path) });
  const [wanted, setWanted] = useState<Wanted>();
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (!limits.data) return;
    const { rates, peer_rates, in_flight, sockets } = limits.data.set;
    setWanted({
      rates: rates ?? null,
      peer_rates: peer_rates ?? null,
      in_flight: in_flight ?? null,
      sockets: sockets ?? null,
      below_network_minimum: false,
    });
  }, [limits.data]);
  if (limits.error) return <Failed error={limits.error} retry={() => void limits.refetch()} />;
  if (!limits.data || !wanted) return <Skeleton height={240} mt={28} />;
  const { effective } = limits.data;
  const save = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== null));
      queries.setQueryData(["limits", merchant], await ask("PUT", path, given));
      say(w.saved);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const number = (name: "in_flight" | "sockets", label: string) => (
    <NumberInput
      label={label}
      description={t.effective(formatCount(effective[name], language))}
      inputWrapperOrder={["label", "input", "description"]}
      min={1}
      allowDecimal={false}
      readOnly={!allowed}
      placeholder={formatCount(effective[name], language)}
      value={wanted[name] ?? ""}
      onChange={(value) => setWanted({ ...wanted, [name]: value === "" ? null : Number(value) })}
    />
  );
  return (
    <Section title={t.set}>
      <form onSubmit={save} className="tg-card tg-stack">
        <p className="tg-quiet">{t.setHint}</p>
        <div className="tg-form-pair">
          {number("in_flight", t.inFlight)}
          {number("sockets", t.sockets)}
        </div>
        <Windows
          label={t.rates}
          hint={t.ratesHint}
          value={wanted.rates}
          effective={effective.rates}
          allowed={allowed}
          onChange={(rates) => setWanted({ ...wanted, rates })}
        />
        <Windows
          label={t.peerRates}
          hint={t.ratesHint}
          value={wanted.peer_rates}
          effective={effective.peer_rates}
          allowed={allowed}
          onChange={(peer_rates) => setWanted({ ...wanted, peer_rates })}
        />
        {allowed && (
          <Checkbox
            label={t.belowMinimum}
            checked={wanted.below_network_minimum}
            onChange={(event) => setWanted({ ...wanted, below_network_minimum: event.currentTarget.checked })}
          />
        )}
        {error !== undefined && <Failed error={error} />}
        <div>
          <Button type="submit" loading={busy} disabled={!allowed}>
            {w.save}
          </Button>
        </div>
      </form>
    </Section>
  );
}

interface WindowsProps {
  label: string;
  hint: string;
  value: Window[] | null;
  effective: Window[];
  allowed: boolean;
  onChange: (value: Window[] | null) => void;
}

function Windows({ label, hint, value, effective, allowed, onChange }: WindowsProps) {
  const t = useTexts(limitWords);
  const w = useTexts(words);
  const language = useLanguage();
  const told = effective
    .map(({ requests, seconds }) => t.window(formatCount(requests, language), formatCount(seconds, language)))
    .join(", ");
  const change = (at: number, next: Partial<Window>) =>
    onChange((value ?? []).map((window, index) => (index === at ? { ...window, ...next } : window)));
  return (
    <fieldset className="tg-fieldset">
      <legend>{label}</legend>
      <p className="tg-quiet tg-small">
        {hint} {told ? t.effective(told) : ""}
      </p>
      {value === null && <p className="tg-quiet">{t.noWindows}</p>}
      {value?.map((window, at) => (
        <div key={at} className="tg-inline tg-window">
          <TextInput
            label={t.windowName}
            required
            value={window.name}
            onChange={(event) => change(at, { name: event.currentTarget.value })}
            readOnly={!allowed}
          />
          <NumberInput
            label={t.requests}
            required
            min={1}
            value={window.requests}
            onChange={(next) => change(at, { requests: Number(next) })}
            readOnly={!allowed}
          />
          <NumberInput
            label={t.seconds}
            required
            min={1}
            max={86400}
            value={window.seconds}
            onChange={(next) => change(at, { seconds: Number(next) })}
            readOnly={!allowed}
          />
          <NumberInput
            label={t.burst}
            min={1}
            value={window.burst ?? ""}
            onChange={(next) => change(at, { burst: next === "" ? null : Number(next) })}
            readOnly={!allowed}
          />
          <Button
            variant="subtle"
            color="gray"
            disabled={!allowed}
            onClick={() => onChange(value.length === 1 ? null : value.filter((_, index) => index !== at))}
          >
            {w.remove}
          </Button>
        </div>
      ))}
      <Button
        size="xs"
        variant="default"
        disabled={!allowed}
        onClick={() => onChange([...(value ?? []), { name: "second", requests: 50, seconds: 1 }])}
      >
        {t.addWindow}
      </Button>
    </fieldset>
  );
}
