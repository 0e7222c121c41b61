import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { formatMicros } from "../../format/time";
import { useLanguage, useTexts } from "../../language/language";
import { Section } from "../../parts/Page";
import { Mark } from "../../parts/Status";
import { saveAs } from "../../parts/saveAs";
import { useSubmit } from "../../parts/submit";
import { LabFailed } from "./Lab";
import { reportPage } from "./report";
import { labWords } from "./words";

type Report = Schema["ConformanceReport"];

/** What goes wrong in the street, played by the gateway at one connection. */
export function Conformance({ merchant, connection }: { merchant: string; connection: string }) {
  const t = useTexts(labWords);
  const [account, setAccount] = useState("");
  const [password, setPassword] = useState("");
  const [report, setReport] = useState<Report>();
  const {
    busy,
    error,
    submit: start,
  } = useSubmit(async () => {
    setReport(undefined);
    const path = { merchant, connection };
    const body = { account, ...(password ? { password } : {}) };
    setReport(
      await answer(
        api.POST("/admin/v1/merchants/{merchant}/connections/{connection}/conformance", { params: { path }, body }),
      ),
    );
  });
  return (
    <Section title={t.conformance} action={report && <Downloads report={report} />}>
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
          <PasswordInput
            label={t.password}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            autoComplete="off"
            miw={200}
          />
          <Button type="submit" variant="default" loading={busy}>
            {t.run}
          </Button>
        </form>
        {error !== undefined && <LabFailed error={error} merchant={merchant} connection={connection} />}
        {report && <Cases report={report} />}
      </div>
    </Section>
  );
}

function Downloads({ report }: { report: Report }) {
  const t = useTexts(labWords);
  const name = `conformance-${report.merchant}-${report.connection}-${report.at.slice(0, 19).replaceAll(":", "")}`;
  return (
    <span className="tg-inline">
      <Button
        size="xs"
        variant="default"
        onClick={() =>
          saveAs(new Blob([JSON.stringify(report, null, 2)], { type: "application/json" }), `${name}.json`)
        }
      >
        JSON
      </Button>
      <Button
        size="xs"
        variant="default"
        onClick={() => saveAs(new Blob([reportPage(report, t)], { type: "text/html;charset=utf-8" }), `${name}.html`)}
      >
        HTML
      </Button>
      <Button size="xs" variant="default" onClick={() => window.print()}>
        {t.print}
      </Button>
    </span>
  );
}

function Cases({ report }: { report: Report }) {
  const t = useTexts(labWords);
  const language = useLanguage();
  return (
    <>
      <p className="tg-strong" role="status">
        {t.passed(report.passed, report.cases.length)}{" "}
        <span className="tg-quiet">{t.slowest(formatMicros(report.slowest_ms * 1000, language))}</span>
      </p>
      <table className="tg-report" aria-label={t.report}>
        <thead>
          <tr>
            <th scope="col">{t.step}</th>
            <th scope="col">{t.expected}</th>
            <th scope="col">{t.got}</th>
          </tr>
        </thead>
        <tbody>
          {report.cases.map((line) => (
            <tr key={line.case}>
              <td>
                <span className="tg-inline">
                  <Mark tone={line.passed ? "green" : "red"} shape={line.passed ? "dot" : "cross"} />
                  {t.cases[line.case] ?? line.case}
                </span>
              </td>
              <td>{t.wants[line.expected]}</td>
              <td className="mono">{line.result ?? `HTTP ${line.status}`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
