import { Alert, Button, Skeleton } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconCode, IconFlask } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { answer, api, ask } from "../../api/client";
import type { DecisionRecord, Outcome } from "../../api/shapes";
import { Code } from "../../code/Code";
import { formatBytes } from "../../format/size";
import { formatMicros } from "../../format/time";
import { useLanguage, useTexts } from "../../language/language";
import { Failed } from "../../parts/Failed";
import { Money } from "../../parts/Money";
import { Facts } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { reasonWords } from "../../parts/states";
import { say, sayFailed } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { answerText, decidingLine, marginOf, questionText, valueText } from "./why";
import { whyWords } from "./whyWords";

/** What came of a call, in words. */
export function OutcomeLine({ of }: { of: Outcome }) {
  const reasons = useTexts(reasonWords);
  return (
    <span className="tg-inline">
      <Status of={of.outcome} />
      {of.reason && <span>{reasons[of.reason] ?? of.reason}</span>}
      {of.connection && (
        <span className="mono">
          {of.connection}
          {of.fallbacks?.map((name) => ` → ${name}`)}
        </span>
      )}
      {of.amount && <Money value={of.amount} />}
      {of.kind && <span className="mono">{of.kind}</span>}
      {(of.comment || of.text || of.message) && (
        <span className="tg-quiet">“{of.comment ?? of.text ?? of.message}”</span>
      )}
      {of.fields?.map(({ name, value }) => (
        <span key={name} className="tg-quiet mono">
          {name} = {value}
        </span>
      ))}
    </span>
  );
}

/** One decision: the script as it was, with the lines that ran, what they read, and which one decided. */
export function Why({ merchant, decision }: { merchant: string; decision: string }) {
  const t = useTexts(whyWords);
  const language = useLanguage();
  const path = { merchant, decision };
  const detail = useQuery({
    queryKey: ["decision", merchant, decision],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/decisions/{decision}", { params: { path } })),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const revision = detail.data?.revision;
  const source = useQuery({
    queryKey: ["revision", merchant, revision],
    queryFn: () =>
      answer(
        api.GET("/admin/v1/merchants/{merchant}/rules/revisions/{revision}", {
          params: { path: { merchant, revision: revision ?? 0 } },
        }),
      ),
    enabled: revision !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (detail.error) return <Failed error={detail.error} retry={() => void detail.refetch()} />;
  if (!detail.data) return <Skeleton height={180} />;
  const record = detail.data.record as unknown as DecisionRecord;
  const { lines, repeats } = detail.data;
  const decided = decidingLine(lines, record);
  return (
    <div className="tg-why">
      <div className="tg-inline tg-why-head">
        <OutcomeLine of={record.decision} />
        <span className="tg-quiet">
          {t.revision(detail.data.revision)} · {t.steps(record.decision.steps)} ·{" "}
          {formatMicros(detail.data.duration_us, language)} · {formatBytes(record.decision.memory, language)}
          {decided !== undefined && ` · ${t.decided(decided)}`}
        </span>
      </div>
      {source.data ? (
        <Code
          text={source.data.source.replace(/\n$/, "")}
          kind="lua"
          label={t.lines}
          numbers
          ran={new Map(lines.map(({ line, times }) => [line, times]))}
          decided={decided}
          margin={marginOf(lines, record)}
        />
      ) : source.error ? (
        <Code text={lines.map(({ line, text }) => `${line}: ${text}`).join("\n")} kind="lua" label={t.lines} />
      ) : (
        <Skeleton height={240} />
      )}
      <div className="tg-why-sides">
        <div>
          <h3>{t.asked}</h3>
          <Facts
            of={Object.entries(record.input.request)
              .filter(
                ([, value]) =>
                  value !== null && !(typeof value === "object" && Object.keys(value as object).length === 0),
              )
              .map(([name, value]) => [
                name,
                <span key={name} className="mono">
                  {valueText(value).replace(/^"|"$/g, "")}
                </span>,
              ])}
          />
        </div>
        <div>
          <h3>{t.calls}</h3>
          {record.decision.calls.length === 0 ? (
            <p className="tg-quiet">{t.noCalls}</p>
          ) : (
            <ol className="tg-calls">
              {record.decision.calls.map((call, index) => (
                <li key={index}>
                  <span className="mono">{questionText(call)}</span> <span className="tg-quiet">→</span>{" "}
                  <span className="mono">{answerText(call)}</span>{" "}
                  <span className="tg-quiet tg-small">{formatMicros(call.duration_us, language)}</span>
                </li>
              ))}
            </ol>
          )}
          {record.decision.log.length > 0 && (
            <>
              <h3>{t.log}</h3>
              <Code
                text={record.decision.log.map((line) => line.text ?? line.message ?? JSON.stringify(line)).join("\n")}
                kind="text"
                label={t.log}
              />
            </>
          )}
        </div>
      </div>
      <div className="tg-inline">
        <TestButton merchant={merchant} decision={decision} disabled={record.masked === true} />
        <Button
          size="xs"
          variant="subtle"
          leftSection={<IconCode size={15} />}
          component={Link}
          to={`/m/${merchant}/rules?tab=try&decision=${decision}`}
        >
          {t.try}
        </Button>
        <span className="tg-quiet tg-small">{record.masked ? t.masked : repeats ? t.repeats : undefined}</span>
      </div>
      {!repeats && (
        <Alert color="yellow" variant="light">
          {t.differs}
        </Alert>
      )}
    </div>
  );
}

function TestButton({ merchant, decision, disabled }: { merchant: string; decision: string; disabled: boolean }) {
  const t = useTexts(whyWords);
  const w = useTexts(words);
  const clipboard = useClipboard();
  const make = async () => {
    try {
      clipboard.copy(await ask<string>("GET", `/admin/v1/merchants/${merchant}/decisions/${decision}/test`));
      say(`${w.copied}. ${t.testHint}`);
    } catch (failure) {
      sayFailed(failure);
    }
  };
  return (
    <Button
      size="xs"
      variant="default"
      leftSection={<IconFlask size={15} />}
      disabled={disabled}
      onClick={() => void make()}
    >
      {t.test}
    </Button>
  );
}
