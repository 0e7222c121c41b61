import { Button, Select, Skeleton, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { ProblemError } from "../../api/client";
import { useConnections, useMerchantSlug } from "../../api/merchants";
import { Code } from "../../code/Code";
import { readAmount } from "../../format/money";
import { prettyXml } from "../../format/pretty";
import { useTexts } from "../../language/language";
import { CopyButton } from "../../parts/Copy";
import { Empty } from "../../parts/Empty";
import { Failed } from "../../parts/Failed";
import { useFilters } from "../../parts/filters";
import { Page } from "../../parts/Page";
import { Mark } from "../../parts/Status";
import { Conformance } from "./Conformance";
import "./lab.css";
import { commentOf, fieldsOf, nextTxnId, type Played, play, resultOf } from "./play";
import { labWords } from "./words";

/** The plugin whose networks call us from terminals. */
const TERMINAL = "terminal";

export function Lab() {
  const t = useTexts(labWords);
  const merchant = useMerchantSlug();
  const connections = useConnections(merchant);
  const [{ connection: wanted }, setFilter] = useFilters("connection");
  const terminals = connections.data?.data.filter(({ plugin }) => plugin === TERMINAL) ?? [];
  const connection = terminals.find(({ slug }) => slug === wanted)?.slug ?? terminals[0]?.slug;
  return (
    <Page
      title={t.title}
      intro={t.intro}
      filters={
        terminals.length > 1 && (
          <Select
            label={t.connection}
            allowDeselect={false}
            data={terminals.map(({ slug }) => slug)}
            value={connection ?? null}
            onChange={(slug) => setFilter({ connection: slug ?? "" })}
          />
        )
      }
    >
      {connections.error ? (
        <Failed error={connections.error} retry={() => void connections.refetch()} />
      ) : !connections.data ? (
        <Skeleton height={420} />
      ) : connection ? (
        <>
          <Kiosk key={`kiosk ${connection}`} merchant={merchant} connection={connection} />
          <Conformance key={`conformance ${connection}`} merchant={merchant} connection={connection} />
        </>
      ) : (
        <Empty
          title={t.noTerminals}
          action={
            <Button component={Link} to={`/m/${merchant}/connections`}>
              {t.addConnection}
            </Button>
          }
        >
          {t.noTerminalsText}
        </Empty>
      )}
    </Page>
  );
}

interface Step {
  command: "check" | "pay";
  played: Played;
}

function Kiosk({ merchant, connection }: { merchant: string; connection: string }) {
  const t = useTexts(labWords);
  const [account, setAccount] = useState("");
  const [amount, setAmount] = useState("100.00");
  const [txn, setTxn] = useState(nextTxnId);
  const [steps, setSteps] = useState<Step[]>([]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const read = readAmount(amount);
  const last = steps.at(-1);
  const act = async (command: "check" | "pay") => {
    setBusy(true);
    setError(undefined);
    try {
      const played = await play(merchant, connection, {
        command,
        txn_id: txn,
        account,
        amount: read ?? amount,
        currency: "RUB",
      });
      setSteps((before) => [...before, { command, played }]);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const reset = () => {
    setTxn(nextTxnId());
    setSteps([]);
    setAccount("");
    setError(undefined);
  };
  const code = last && resultOf(last.played.response.body);
  const paid = last?.command === "pay" && code === 0;
  return (
    <div className="tg-lab">
      <section className="tg-kiosk" aria-label={t.kiosk}>
        <form
          className="tg-kiosk-screen"
          onSubmit={(event) => {
            event.preventDefault();
            void act(last?.command === "check" && code === 0 ? "pay" : "check");
          }}
        >
          <TextInput
            size="lg"
            label={t.account}
            required
            autoComplete="off"
            inputMode="numeric"
            value={account}
            onChange={(event) => setAccount(event.currentTarget.value)}
            readOnly={steps.length > 0}
            classNames={{ input: "mono" }}
          />
          <TextInput
            size="lg"
            label={t.amount}
            required
            inputMode="decimal"
            error={read === undefined}
            value={amount}
            onChange={(event) => setAmount(event.currentTarget.value)}
            readOnly={paid}
            classNames={{ input: "mono" }}
          />
          {last && <Heard step={last} />}
          {error !== undefined && <LabFailed error={error} connection={connection} merchant={merchant} />}
          <div className="tg-inline">
            {paid || (last && code !== 0) ? (
              <Button size="md" type="button" onClick={reset}>
                {t.again}
              </Button>
            ) : (
              <Button size="md" type="submit" loading={busy} disabled={read === undefined}>
                {last ? t.pay : t.check}
              </Button>
            )}
            {last?.played.payment_id && (
              <Button
                size="md"
                variant="subtle"
                component={Link}
                to={`/m/${merchant}/payments/${last.played.payment_id}`}
              >
                {t.open}
              </Button>
            )}
            {last?.command === "pay" && !last.played.payment_id && (
              <Button size="md" variant="subtle" component={Link} to={`/m/${merchant}/payments?search=${txn}`}>
                {t.open}
              </Button>
            )}
          </div>
        </form>
      </section>
      <section aria-label={t.wire} className="tg-lab-wire">
        <h2 className="tg-h3">{t.wire}</h2>
        {steps.length === 0 && <p className="tg-quiet">{t.nothing}</p>}
        {steps.map(({ command, played }) => (
          <div key={command} className="tg-stack">
            <Code
              text={`${played.request.method} ${played.request.url.replace(/[?&]/g, "\n  $&")}`}
              kind="text"
              label={command}
              wrap
            />
            <Code
              text={prettyXml(played.response.body)}
              kind="xml"
              label={`${command} ${played.response.status}`}
              wrap
            />
          </div>
        ))}
      </section>
    </div>
  );
}

function Heard({ step }: { step: Step }) {
  const t = useTexts(labWords);
  const body = step.played.response.body;
  const code = resultOf(body);
  const good = code === 0;
  const text = good ? (step.command === "pay" ? t.done : t.accepted) : code === 1 ? t.later : t.refused;
  return (
    <div className="tg-heard" role="status">
      <span className="tg-inline tg-strong">
        <Mark
          tone={good ? "green" : code === 1 ? "amber" : "red"}
          shape={good ? "dot" : code === 1 ? "triangle" : "cross"}
        />
        {text}
        <span className="tg-quiet">
          {t.code} {code ?? step.played.response.status}
        </span>
      </span>
      {commentOf(body) && <span>{commentOf(body)}</span>}
      {fieldsOf(body).map(({ name, value }) => (
        <span key={name} className="tg-quiet">
          {name}: {value}
        </span>
      ))}
    </div>
  );
}

/** An older gateway has no lab; the command line has. */
export function LabFailed({ error, merchant, connection }: { error: unknown; merchant: string; connection: string }) {
  const t = useTexts(labWords);
  if (!(error instanceof ProblemError) || error.problem.status !== 404) return <Failed error={error} />;
  const command = `tollgate terminal pay --url http://127.0.0.1:8080 --merchant ${merchant} --connection ${connection} --account 9123456789 --sum 10.00`;
  return (
    <div className="tg-card tg-stack" role="alert">
      <span className="tg-strong">{t.missing}</span>
      <span>{t.missingText}</span>
      <span className="mono tg-url">
        {command} <CopyButton value={command} />
      </span>
    </div>
  );
}
