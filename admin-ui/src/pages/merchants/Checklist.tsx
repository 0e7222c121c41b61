import { Alert, Button, Checkbox, Progress, Skeleton, TextInput } from "@mantine/core";
import { IconCheck, IconCircleDashed } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useLanguage, useTexts } from "../../language/language";
import { Failed } from "../../parts/Failed";
import { Mark, Status } from "../../parts/Status";
import { useSubmit } from "../../parts/submit";
import { useMay } from "../../session/permissions";
import { PLACES, useChecklist } from "./golive";
import { merchantWords } from "./words";

export function Checklist({ merchant }: { merchant: string }) {
  const t = useTexts(merchantWords);
  const list = useChecklist(merchant);
  const mayRun = useMay("terminal_lab:write", merchant);
  if (list.error && !list.data) return <Failed error={list.error} retry={() => void list.refetch()} />;
  if (!list.data) return <Skeleton height={320} />;
  const { steps, ready } = list.data;
  const done = steps.filter((step) => step.done).length;
  return (
    <section className="tg-card" aria-labelledby="checklist">
      <div className="tg-section-head">
        <h2 id="checklist">{t.checklist}</h2>
        <span className="tg-quiet">{t.notReady(done, steps.length)}</span>
      </div>
      <Progress value={(100 * done) / steps.length} size="sm" aria-label={t.notReady(done, steps.length)} />
      {ready ? (
        <Alert color="green" variant="light" mt={12} icon={<IconCheck size={18} />} title={t.ready}>
          {t.readyText}
        </Alert>
      ) : (
        <p className="tg-quiet tg-small tg-hint">{t.checkHint}</p>
      )}
      <ul className="tg-checklist">
        {steps.map((step) => (
          <Step key={step.step} merchant={merchant} step={step} />
        ))}
      </ul>
      {mayRun && <Checks merchant={merchant} />}
    </section>
  );
}

function Step({ merchant, step }: { merchant: string; step: Schema["Step"] }) {
  const t = useTexts(merchantWords);
  const language = useLanguage();
  // "The merchant is active": "active" tells nothing more.
  const said = t.steps[step.step]?.endsWith(step.detail);
  return (
    <li data-done={step.done || undefined}>
      {step.done ? (
        <IconCheck size={18} className="tg-green" aria-hidden="true" />
      ) : (
        <IconCircleDashed size={18} className="tg-quiet" aria-hidden="true" />
      )}
      <div>
        <div className="tg-strong">
          {t.steps[step.step]}{" "}
          <span className="tg-hidden">
            <Status of={step.done ? "ok" : "missing"} />
          </span>
        </div>
        {!step.done && <div className="tg-quiet">{t.steps[`${step.step}Why`]}</div>}
        {/* In the gateway's own words, which are English. */}
        {language === "en" && !said && <div className="tg-quiet">{step.detail}</div>}
      </div>
      {!step.done && (
        <Button size="xs" variant="default" component={Link} to={`/m/${merchant}/${PLACES[step.step]}`}>
          {t.actions[step.step]}
        </Button>
      )}
    </li>
  );
}

/** Makes the checks that prove it. */
function Checks({ merchant }: { merchant: string }) {
  const t = useTexts(merchantWords);
  const queries = useQueryClient();
  const [account, setAccount] = useState("");
  const [amount, setAmount] = useState("1.00");
  const [pay, setPay] = useState(true);
  const [ran, setRan] = useState<Schema["ChecklistRun"]>();
  const {
    busy,
    error,
    submit: run,
  } = useSubmit(async () => {
    setRan(undefined);
    const body = { account, amount, currency: "RUB", pay };
    const done = await answer(
      api.POST("/admin/v1/merchants/{merchant}/checklist/run", { params: { path: { merchant } }, body }),
    );
    setRan(done);
    queries.setQueryData(["checklist", merchant], done.checklist);
  });
  return (
    <form onSubmit={run} className="tg-stack tg-checks">
      <h3 className="tg-side-title">{t.checks}</h3>
      <p className="tg-quiet tg-small">{t.checksText}</p>
      <div className="tg-inline tg-end">
        <TextInput
          label={t.checkAccount}
          required
          value={account}
          onChange={(event) => setAccount(event.currentTarget.value)}
          classNames={{ input: "mono" }}
        />
        <TextInput
          label={t.checkAmount}
          required
          value={amount}
          onChange={(event) => setAmount(event.currentTarget.value)}
          classNames={{ input: "mono" }}
          w={110}
        />
        <Button type="submit" variant="default" loading={busy}>
          {t.runChecks}
        </Button>
      </div>
      <Checkbox label={t.checkPay} checked={pay} onChange={(event) => setPay(event.currentTarget.checked)} />
      {error !== undefined && <Failed error={error} />}
      {ran && (
        <ul className="tg-attempts" role="status" aria-label={t.checks}>
          {ran.results.length === 0 && <li className="tg-quiet">{t.nothingToCheck}</li>}
          {ran.results.map((result) => (
            <li key={`${result.check} ${result.subject}`} className="tg-inline">
              <Mark
                tone={result.passed ? "green" : result.skipped ? "grey" : "red"}
                shape={result.passed ? "dot" : result.skipped ? "dash" : "cross"}
              />
              <span className="tg-strong">{t.checkNames[result.check] ?? result.check}</span>
              <span className="mono tg-url">{result.subject}</span>
              <span className="tg-quiet" lang="en">
                {result.detail}
              </span>
            </li>
          ))}
        </ul>
      )}
    </form>
  );
}
