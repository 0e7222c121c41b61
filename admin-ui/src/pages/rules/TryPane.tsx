import { Button, SegmentedControl, Select, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { askJson } from "../../api/client";
import type { Decision, DecisionRecord } from "../../api/shapes";
import { Code } from "../../code/Code";
import { readAmount } from "../../format/money";
import { formatMicros } from "../../format/time";
import { useLanguage, useTexts } from "../../language/language";
import { Failed } from "../../parts/Failed";
import { words } from "../../parts/words";
import { OutcomeLine } from "../payments/Why";
import { answerText, questionText } from "../payments/why";
import { seedOf, withSeed } from "./seed";
import { ruleWords } from "./words";

interface Question {
  input: unknown;
  now?: string;
  /** Its digits; see seed.ts. */
  seed?: string;
  calls?: unknown[];
}

/** Asks the editor's script one question, with the answer beside it. */
export function TryPane({ merchant, source }: { merchant: string; source: string }) {
  const t = useTexts(ruleWords);
  const { decision } = useSearch({ strict: false }) as { decision?: string };
  const [view, setView] = useState("form");
  const [result, setResult] = useState<Decision>();
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const ask = async (question: Question) => {
    setBusy(true);
    setError(undefined);
    try {
      const { seed, ...asked } = question;
      const body = withSeed({ source, ...asked }, seed);
      setResult(JSON.parse(await askJson("POST", `/admin/v1/merchants/${merchant}/rules/run`, body)) as Decision);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="tg-stack">
      <p className="tg-quiet tg-small">{t.runHint}</p>
      {decision ? (
        <Recorded merchant={merchant} decision={decision} ask={ask} busy={busy} />
      ) : (
        <>
          <div>
            <SegmentedControl
              size="xs"
              aria-label={t.input}
              value={view}
              onChange={setView}
              data={[
                { value: "form", label: t.form },
                { value: "json", label: t.json },
              ]}
            />
          </div>
          {view === "form" ? <CheckForm ask={ask} busy={busy} /> : <JsonForm ask={ask} busy={busy} />}
        </>
      )}
      {error !== undefined && <Failed error={error} />}
      {result && <Result of={result} />}
    </div>
  );
}

type Ask = (question: Question) => Promise<void>;

function CheckForm({ ask, busy }: { ask: Ask; busy: boolean }) {
  const t = useTexts(ruleWords);
  const w = useTexts(words);
  const [command, setCommand] = useState("check");
  const [account, setAccount] = useState("");
  const [amount, setAmount] = useState("100.00");
  const [service, setService] = useState("");
  const read = readAmount(amount);
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    const request = {
      command,
      account,
      at: new Date().toISOString(),
      ...(read ? { amount: { amount: read, currency: "RUB" } } : {}),
      ...(service ? { service } : {}),
    };
    void ask({ input: { handler: "check", request } });
  };
  return (
    <form onSubmit={submit} className="tg-form-grid">
      <TextInput
        label={w.account}
        required
        value={account}
        onChange={(event) => setAccount(event.currentTarget.value)}
      />
      <TextInput
        label={w.amount}
        description={t.amountHint}
        inputWrapperOrder={["label", "input", "description", "error"]}
        error={amount !== "" && read === undefined}
        value={amount}
        onChange={(event) => setAmount(event.currentTarget.value)}
      />
      <Select
        label={t.command}
        data={["info", "check", "pay"]}
        value={command}
        onChange={(value) => setCommand(value ?? "check")}
        allowDeselect={false}
      />
      <TextInput label={t.service} value={service} onChange={(event) => setService(event.currentTarget.value)} />
      <Button type="submit" loading={busy}>
        {t.run}
      </Button>
    </form>
  );
}

const JSON_EXAMPLE = JSON.stringify(
  {
    handler: "route",
    request: {
      amount: { amount: "100.00", currency: "RUB" },
      method: "card",
      bin: "427655",
      at: "2026-01-01T00:00:00Z",
    },
  },
  null,
  2,
);

function JsonForm({ ask, busy }: { ask: Ask; busy: boolean }) {
  const t = useTexts(ruleWords);
  const [text, setText] = useState(JSON_EXAMPLE);
  const [wrong, setWrong] = useState<string>();
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    try {
      const input: unknown = JSON.parse(text);
      setWrong(undefined);
      void ask({ input });
    } catch (error) {
      setWrong(String(error));
    }
  };
  return (
    <form onSubmit={submit} className="tg-stack">
      <Textarea
        label={t.input}
        autosize
        minRows={8}
        classNames={{ input: "mono" }}
        value={text}
        error={wrong}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <div>
        <Button type="submit" loading={busy}>
          {t.run}
        </Button>
      </div>
    </form>
  );
}

/** A real decision's question, with the answers that its host calls got. */
function Recorded({ merchant, decision, ask, busy }: { merchant: string; decision: string; ask: Ask; busy: boolean }) {
  const t = useTexts(ruleWords);
  const detail = useQuery({
    queryKey: ["decision-text", merchant, decision],
    queryFn: () => askJson("GET", `/admin/v1/merchants/${merchant}/decisions/${decision}`),
  });
  if (detail.error) return <Failed error={detail.error} />;
  if (!detail.data) return null;
  const { record } = JSON.parse(detail.data) as { record: DecisionRecord };
  const seed = seedOf(detail.data);
  return (
    <div className="tg-stack">
      <p>{t.fromDecision(decision)}</p>
      <Code text={JSON.stringify(record.input.request, null, 2)} kind="json" label={t.input} wrap />
      <div>
        <Button
          loading={busy}
          onClick={() =>
            void ask({
              input: record.input,
              now: record.context.now,
              ...(seed ? { seed } : {}),
              calls: record.decision.calls,
            })
          }
        >
          {t.run}
        </Button>
      </div>
    </div>
  );
}

function Result({ of }: { of: Decision }) {
  const t = useTexts(ruleWords);
  const language = useLanguage();
  return (
    <div className="tg-card tg-stack" role="status">
      <OutcomeLine of={of} />
      <p className="tg-quiet tg-small">
        {t.steps(of.steps)} · {formatMicros(of.duration_us, language)}
      </p>
      {of.calls.map((call, index) => (
        <p key={index} className="mono tg-complaint">
          {questionText(call)} → {answerText(call)}
        </p>
      ))}
      {of.log.length > 0 && (
        <Code
          text={of.log.map((line) => line.text ?? line.message ?? JSON.stringify(line)).join("\n")}
          kind="text"
          label="log"
        />
      )}
    </div>
  );
}
