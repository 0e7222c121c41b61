import { Button, Checkbox, NumberInput, SegmentedControl, Skeleton, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ask, type Schema } from "../../api/client";
import { formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Failed } from "../../parts/Failed";
import { useSubmit } from "../../parts/submit";
import { say } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import "./limits.css";
import { limitWords } from "./words";

type Window = Schema["RateWindow"];

interface Wanted {
  rates: Window[] | null;
  peer_rates: Window[] | null;
  in_flight: number | null;
  sockets: number | null;
  below_network_minimum: boolean;
}

interface Props {
  merchant: string;
  path: string;
  /** Whose limits: not every kind has all of them. */
  of: "merchant" | "connection" | "api_key";
}

/** Limits of a merchant, a connection or a key: what the operator set, and what holds where nothing was. */
export function TrafficForm({ merchant, path, of }: Props) {
  const t = useTexts(limitWords);
  const operator = useMay("limits:write", merchant);
  const lowers = useMay("limits:lower", merchant);
  const [chosen, setChosen] = useState<string>();
  const limits = useQuery({ queryKey: ["limits", path], queryFn: () => ask<Schema["TrafficView"]>("GET", path) });
  if (limits.error) return <Failed error={limits.error} retry={() => void limits.refetch()} />;
  if (!limits.data) return <Skeleton height={240} mt={28} />;
  const who = chosen ?? (lowers && !operator ? "own" : "operator");
  return (
    <div className="tg-stack">
      <div>
        <SegmentedControl
          size="xs"
          aria-label={t.set}
          value={who}
          onChange={setChosen}
          data={[
            { value: "operator", label: t.byOperator },
            { value: "own", label: t.byMerchant },
          ]}
        />
      </div>
      {who === "own" ? (
        <Form
          key="own"
          path={path}
          to={`${path}/own`}
          of={of}
          hint={t.ownHint}
          set={limits.data.own}
          effective={limits.data.granted}
          allowed={lowers}
        />
      ) : (
        <Form
          key="operator"
          path={path}
          to={path}
          of={of}
          hint={t.setHint}
          set={limits.data.set}
          effective={limits.data.effective}
          allowed={operator}
        />
      )}
    </div>
  );
}

interface FormProps {
  /** Whose limits, and where they are set. */
  path: string;
  to: string;
  of: Props["of"];
  hint: string;
  set: Schema["TrafficLimits"];
  effective: Schema["Traffic"];
  allowed: boolean;
}

function Form({ path, to, of, hint, set, effective, allowed }: FormProps) {
  const t = useTexts(limitWords);
  const w = useTexts(words);
  const language = useLanguage();
  const queries = useQueryClient();
  const [wanted, setWanted] = useState<Wanted>(() => read(set));
  useEffect(() => setWanted(read(set)), [set]);
  const {
    busy,
    error,
    submit: save,
  } = useSubmit(async () => {
    const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== null));
    queries.setQueryData(["limits", path], await ask("PUT", to, given));
    say(w.saved);
  });
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
    <form onSubmit={save} className="tg-card tg-stack">
      <p className="tg-quiet">{hint}</p>
      <div className="tg-form-pair">
        {number("in_flight", t.inFlight)}
        {of !== "api_key" && number("sockets", t.sockets)}
      </div>
      <Windows
        label={t.rates}
        hint={t.ratesHint}
        value={wanted.rates}
        effective={effective.rates}
        allowed={allowed}
        onChange={(rates) => setWanted({ ...wanted, rates })}
      />
      {of === "merchant" && (
        <Windows
          label={t.peerRates}
          hint={t.ratesHint}
          value={wanted.peer_rates}
          effective={effective.peer_rates}
          allowed={allowed}
          onChange={(peer_rates) => setWanted({ ...wanted, peer_rates })}
        />
      )}
      {allowed && of !== "api_key" && (
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
  );
}

function read({ rates, peer_rates, in_flight, sockets }: Schema["TrafficLimits"]): Wanted {
  return {
    rates: rates ?? null,
    peer_rates: peer_rates ?? null,
    in_flight: in_flight ?? null,
    sockets: sockets ?? null,
    below_network_minimum: false,
  };
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
        {hint} {told ? `${t.effective(told)}.` : ""}
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
