import { Link } from "@tanstack/react-router";
import { Fragment, useState } from "react";
import type { ChangeGroup, ChangeReport } from "../../api/shapes";
import { formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Money } from "../../parts/Money";
import { reasonWords, stateWords } from "../../parts/states";
import { OutcomeLine } from "../payments/Why";
import { changeText } from "./changes";
import { ruleWords } from "./words";

/** What another script would have decided, in groups, each with its money and examples. */
export function Changes({ merchant, report }: { merchant: string; report: ChangeReport }) {
  const t = useTexts(ruleWords);
  const language = useLanguage();
  const n = (count: number) => formatCount(count, language);
  return (
    <div className="tg-stack">
      <p className="tg-inline">
        <span className={report.changed ? "tg-strong" : undefined}>{t.changes(n(report.changed))}</span>
        <span className="tg-quiet">{t.same(n(report.same))}</span>
        {report.not_comparable > 0 && <span className="tg-quiet">{t.notComparable(n(report.not_comparable))}</span>}
      </p>
      {report.decided === 0 ? (
        <p className="tg-quiet">{t.noDecisions}</p>
      ) : report.groups.length === 0 ? (
        <p className="tg-quiet">{t.noChanges}</p>
      ) : (
        <table className="tg-changes">
          <thead>
            <tr>
              <th scope="col">{t.change}</th>
              <th scope="col" className="tg-right">
                {t.count}
              </th>
              <th scope="col" className="tg-right">
                {t.amounts}
              </th>
            </tr>
          </thead>
          <tbody>
            {report.groups.map((group) => (
              <Group key={group.change} merchant={merchant} group={group} />
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

function Group({ merchant, group }: { merchant: string; group: ChangeGroup }) {
  const t = useTexts(ruleWords);
  const states = useTexts(stateWords);
  const reasons = useTexts(reasonWords);
  const language = useLanguage();
  const [open, setOpen] = useState(false);
  return (
    <Fragment>
      <tr>
        <td>
          <button type="button" className="tg-line-link" aria-expanded={open} onClick={() => setOpen(!open)}>
            {changeText(group.change, t, states, reasons)}
          </button>
        </td>
        <td className="tg-right">{formatCount(group.count, language)}</td>
        <td className="tg-right">
          {group.amounts.map((amount) => (
            <div key={amount.currency}>
              <Money value={amount} />
            </div>
          ))}
        </td>
      </tr>
      {open && (
        <tr>
          <td colSpan={3}>
            <ul className="tg-examples">
              {group.examples.map((example, index) => (
                <li key={index}>
                  <span className="tg-inline">
                    {example.decision ? (
                      <Link to={`/m/${merchant}/decisions/${example.decision}`} className="mono">
                        {example.account || "—"}
                      </Link>
                    ) : (
                      <span className="mono">{example.account || "—"}</span>
                    )}
                    {example.amount && <Money value={example.amount} />}
                  </span>
                  <OutcomeLine of={example.before} />
                  <span className="tg-inline">
                    <span className="tg-quiet">→</span> <OutcomeLine of={example.after} />
                  </span>
                </li>
              ))}
            </ul>
          </td>
        </tr>
      )}
    </Fragment>
  );
}
