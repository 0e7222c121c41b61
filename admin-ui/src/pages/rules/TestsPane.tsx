import { Alert, Progress, Skeleton, UnstyledButton } from "@mantine/core";
import { Code } from "../../code/Code";
import { useTexts } from "../../language/language";
import { Failed } from "../../parts/Failed";
import { Mark } from "../../parts/Status";
import type { Checked, Saving } from "./draft";
import { testNames } from "./tests";
import { ruleWords } from "./words";

const EXAMPLE = `test("a blocked phone", {
  check = { account = "79161234567" },
  lists = { blocked = { "79161234567" } },
  expect = reject("forbidden"),
})`;

interface Props {
  saving: Saving;
  checked: Checked | undefined;
  text: string;
  goTo: (line: number) => void;
}

export function TestsPane({ saving, checked, text, goTo }: Props) {
  const t = useTexts(ruleWords);
  if (saving.kind === "failed") return <Failed error={saving.error} />;
  if (saving.kind === "complaint") {
    return (
      <Alert color="red" variant="light" title={t.doesNotCompile}>
        <p className="tg-complaint mono">{saving.text}</p>
        <UnstyledButton className="tg-line-link" onClick={() => goTo(saving.line)}>
          {t.goto(saving.line)}
        </UnstyledButton>
      </Alert>
    );
  }
  if (!checked) return saving.kind === "saving" ? <Skeleton height={200} /> : <Untested text={text} />;
  const { findings, tests } = checked.checks;
  const failed = new Map(tests.failed.map((test) => [test.name, test]));
  const named = testNames(checked.of);
  const nameless = tests.failed.filter((test) => !named.some(({ name }) => name === test.name));
  const share = tests.lines ? (100 * tests.lines_run) / tests.lines : 0;
  return (
    <div className="tg-stack">
      <div className="tg-inline tg-strong" role="status">
        {tests.failed.length > 0 ? (
          <>
            <Mark tone="red" shape="cross" /> {t.failedTests(tests.failed.length)}
          </>
        ) : (
          <>
            <Mark tone="green" shape="dot" /> {t.passed(tests.passed)}
          </>
        )}
      </div>
      {tests.passed + tests.failed.length === 0 ? (
        <Untested text={text} />
      ) : (
        <ul className="tg-tests">
          {[...nameless.map(({ name, line }) => ({ name, line: line ?? 1 })), ...named].map(({ name, line }, index) => {
            const problem = failed.get(name);
            return (
              <li key={index}>
                <UnstyledButton className="tg-test" onClick={() => goTo(problem?.line ?? line)}>
                  <Mark tone={problem ? "red" : "green"} shape={problem ? "cross" : "dot"} />
                  <span>{name}</span>
                  <span className="tg-quiet tg-small">{t.goto(problem?.line ?? line)}</span>
                </UnstyledButton>
                {problem && <p className="tg-complaint mono">{problem.problem}</p>}
              </li>
            );
          })}
        </ul>
      )}
      {tests.lines > 0 && (
        <div>
          <Progress value={share} size="sm" aria-label={t.coverage(tests.lines_run, tests.lines)} />
          <p className="tg-quiet tg-small">
            {t.coverage(tests.lines_run, tests.lines)}
            {tests.lines_missed.length > 0 && (
              <>
                {`. ${t.missed} `}
                {tests.lines_missed.slice(0, 12).map((line) => (
                  <UnstyledButton key={line} className="tg-line-link" onClick={() => goTo(line)}>
                    {line}
                  </UnstyledButton>
                ))}
              </>
            )}
          </p>
        </div>
      )}
      <div>
        <h2 className="tg-h3">{t.findings}</h2>
        {findings.length === 0 ? (
          <p className="tg-quiet">{t.noFindings}</p>
        ) : (
          <ul className="tg-tests">
            {findings.map((finding) => (
              <li key={`${finding.line}:${finding.column}:${finding.code}`}>
                <UnstyledButton className="tg-test" onClick={() => goTo(finding.line)}>
                  <Mark
                    tone={finding.severity === "error" ? "red" : "amber"}
                    shape={finding.severity === "error" ? "cross" : "triangle"}
                  />
                  <span>
                    {finding.message}
                    {finding.hint && <span className="tg-quiet"> {finding.hint}</span>}
                  </span>
                  <span className="tg-quiet tg-small">{t.goto(finding.line)}</span>
                </UnstyledButton>
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

function Untested({ text }: { text: string }) {
  const t = useTexts(ruleWords);
  const named = testNames(text);
  if (named.length > 0) {
    return (
      <ul className="tg-tests">
        {named.map(({ name, line }) => (
          <li key={line} className="tg-test">
            <Mark tone="grey" shape="ring" /> <span>{name}</span>
          </li>
        ))}
      </ul>
    );
  }
  return (
    <div className="tg-stack">
      <p className="tg-quiet">{t.noTests}</p>
      <Code text={EXAMPLE} kind="lua" label={t.tests} />
    </div>
  );
}
