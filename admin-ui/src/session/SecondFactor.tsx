import { Button, Group, PinInput, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask, type Schema } from "../api/client";
import { useTexts } from "../language/language";
import { CopyButton } from "../parts/Copy";
import { Failed } from "../parts/Failed";
import { useSubmit } from "../parts/submit";
import { type Me, updateMe } from "./session";
import { sessionWords } from "./words";

type Enrolment = Schema["SecondFactorView"];

/** Sets a second factor up: scan, prove, keep the recovery codes. */
export function SecondFactor({ onDone, later = false }: { onDone: () => void; later?: boolean }) {
  const t = useTexts(sessionWords);
  const enrolment = useQuery({
    queryKey: ["second-factor"],
    queryFn: () => ask<Enrolment>("POST", "/admin/v1/me/second-factor", {}),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: false,
  });
  const [codes, setCodes] = useState<string[]>();
  const [code, setCode] = useState("");
  const {
    busy,
    error,
    submit: prove,
  } = useSubmit(async () => {
    const answer = await ask<{ recovery_codes: string[] }>("PUT", "/admin/v1/me/second-factor", { code });
    setCodes(answer.recovery_codes);
  });
  // Only now: whoever had to set it up is let in by this, and would not see the codes.
  const kept = async () => {
    updateMe(await ask<Me>("GET", "/admin/v1/me"));
    onDone();
  };
  if (codes) {
    return (
      <div className="tg-stack">
        <h2>{t.recovery}</h2>
        <p className="tg-quiet">{t.recoveryHint}</p>
        <pre className="tg-code mono">{codes.join("\n")}</pre>
        <Group justify="space-between">
          <CopyButton value={codes.join("\n")} what={t.recovery} />
          <Button onClick={() => void kept()}>{t.kept}</Button>
        </Group>
      </div>
    );
  }
  if (enrolment.error) return <Failed error={enrolment.error} retry={() => void enrolment.refetch()} />;
  return (
    <form onSubmit={prove} className="tg-stack">
      {enrolment.data ? (
        <img
          className="tg-qr"
          alt={enrolment.data.url}
          width={188}
          height={188}
          src={`data:image/svg+xml;utf8,${encodeURIComponent(enrolment.data.qr_svg)}`}
        />
      ) : (
        <Skeleton width={188} height={188} />
      )}
      <div>
        <div className="tg-quiet tg-small">{t.secondFactorSecret}</div>
        <span className="mono tg-totp-secret">{enrolment.data?.secret}</span>
        {enrolment.data && <CopyButton value={enrolment.data.secret} />}
      </div>
      <PinInput
        length={6}
        type="number"
        oneTimeCode
        value={code}
        onChange={setCode}
        aria-label={t.code}
        getInputProps={(index) => ({ "aria-label": `${t.code} ${index + 1}` })}
      />
      {error !== undefined && <Failed error={error} />}
      <Group justify="space-between">
        {later ? (
          <Button variant="subtle" color="gray" onClick={onDone}>
            {t.later}
          </Button>
        ) : (
          <span />
        )}
        <Button type="submit" loading={busy} disabled={code.length < 6}>
          {t.turnOn}
        </Button>
      </Group>
    </form>
  );
}
