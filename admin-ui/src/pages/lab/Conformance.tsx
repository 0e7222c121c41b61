import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTexts } from "../../language/language";
import { Section } from "../../parts/Page";
import { Mark } from "../../parts/Status";
import { LabFailed } from "./Lab";
import { type Move, nextTxnId, play, resultOf } from "./play";
import { labWords } from "./words";

interface Line {
  key: string;
  wants: "accepted" | "same" | "refused";
  got: string;
  passed: boolean;
}

const UNKNOWN_ACCOUNT = "000000000000";

/** What goes wrong in the street, played one after the other. */
async function* conformance(merchant: string, connection: string, account: string): AsyncGenerator<Line> {
  const base = { account, amount: "1.00", currency: "RUB" };
  const run = (move: Partial<Move> & Pick<Move, "command" | "txn_id">) =>
    play(merchant, connection, { ...base, ...move });
  const told = (body: string) => `${resultOf(body) ?? "?"}`;
  const first = nextTxnId();
  const check = await run({ command: "check", txn_id: first });
  yield {
    key: "check",
    wants: "accepted",
    got: told(check.response.body),
    passed: resultOf(check.response.body) === 0,
  };
  const pay = await run({ command: "pay", txn_id: first });
  yield { key: "pay", wants: "accepted", got: told(pay.response.body), passed: resultOf(pay.response.body) === 0 };
  const again = await run({ command: "pay", txn_id: first });
  yield {
    key: "repeat",
    wants: "same",
    got: told(again.response.body),
    passed: again.response.body === pay.response.body,
  };
  const refusals: [string, Partial<Move>][] = [
    ["unknown", { account: UNKNOWN_ACCOUNT }],
    ["empty", { account: "" }],
    ["negative", { amount: "-1.00" }],
  ];
  for (const [key, change] of refusals) {
    const answer = await run({ command: "check", txn_id: nextTxnId(), ...change });
    const code = resultOf(answer.response.body);
    yield {
      key,
      wants: "refused",
      got: code === undefined ? `HTTP ${answer.response.status}` : String(code),
      passed: code !== 0,
    };
  }
}

export function Conformance({ merchant, connection }: { merchant: string; connection: string }) {
  const t = useTexts(labWords);
  const [account, setAccount] = useState("");
  const [lines, setLines] = useState<Line[]>([]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const start = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    setLines([]);
    try {
      for await (const line of conformance(merchant, connection, account)) setLines((before) => [...before, line]);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Section
      title={t.conformance}
      action={
        lines.length > 0 && (
          <Button size="xs" variant="default" onClick={() => window.print()}>
            {t.print}
          </Button>
        )
      }
    >
      <div className="tg-stack">
        <p className="tg-quiet">{t.conformanceText}</p>
        <form onSubmit={start} className="tg-inline tg-lab-run">
          <TextInput
            label={t.goodAccount}
            required
            value={account}
            onChange={(event) => setAccount(event.currentTarget.value)}
            classNames={{ input: "mono" }}
          />
          <Button type="submit" variant="default" loading={busy}>
            {t.run}
          </Button>
        </form>
        {error !== undefined && <LabFailed error={error} merchant={merchant} connection={connection} />}
        {lines.length > 0 && (
          <>
            <p className="tg-strong" role="status">
              {t.passed(lines.filter(({ passed }) => passed).length, lines.length)}
            </p>
            <table className="tg-report" aria-label={t.report}>
              <thead>
                <tr>
                  <th scope="col">{t.report}</th>
                  <th scope="col">{t.expected}</th>
                  <th scope="col">{t.got}</th>
                </tr>
              </thead>
              <tbody>
                {lines.map((line) => (
                  <tr key={line.key}>
                    <td>
                      <span className="tg-inline">
                        <Mark tone={line.passed ? "green" : "red"} shape={line.passed ? "dot" : "cross"} />
                        {t.cases[line.key]}
                      </span>
                    </td>
                    <td>{t.wants[line.wants]}</td>
                    <td className="mono">{line.got}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </>
        )}
      </div>
    </Section>
  );
}
