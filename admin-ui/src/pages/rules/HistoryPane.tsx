import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import type { Checks } from "../../api/shapes";
import { formatCount } from "../../format/size";
import { formatMicros } from "../../format/time";
import { useLanguage, useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Empty } from "../../parts/Empty";
import { Failed } from "../../parts/Failed";
import { useCursorList } from "../../parts/list";
import { Moment } from "../../parts/Moment";
import { Status } from "../../parts/Status";
import { stateWords } from "../../parts/states";
import { say, sayFailed } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { Diff } from "./Diff";
import { ruleWords } from "./words";

type Revision = Schema["RevisionSummary"];
type Behaviour = Schema["RevisionBehaviour"];

export function HistoryPane({ merchant, onEdit }: { merchant: string; onEdit: (source: string) => void }) {
  const t = useTexts(ruleWords);
  const w = useTexts(words);
  const list = useCursorList<Revision>(["revisions", merchant], (cursor) =>
    answer(
      api.GET("/admin/v1/merchants/{merchant}/rules/revisions", {
        params: { path: { merchant }, query: { limit: 20, ...(cursor ? { cursor } : {}) } },
      }),
    ),
  );
  const behaviour = useQuery({
    queryKey: ["behaviour", merchant],
    queryFn: () =>
      answer(api.GET("/admin/v1/merchants/{merchant}/rules/behaviour", { params: { path: { merchant } } })),
  });
  const [back, setBack] = useState<number>();
  const queries = useQueryClient();
  const allowed = useMay("rules:publish", merchant);
  const rollBack = async () => {
    const body = { revision: back ?? 0 };
    await answer(api.POST("/admin/v1/merchants/{merchant}/rules/publish", { params: { path: { merchant } }, body }));
    say(t.rolledBack(body.revision));
    for (const key of ["rules", "revisions", "canary", "merchant"])
      void queries.invalidateQueries({ queryKey: [key, merchant] });
  };
  const edit = async (revision: number) => {
    try {
      const detail = await answer(
        api.GET("/admin/v1/merchants/{merchant}/rules/revisions/{revision}", {
          params: { path: { merchant, revision } },
        }),
      );
      onEdit(detail.source);
    } catch (failure) {
      sayFailed(failure);
    }
  };
  if (list.error !== undefined && !list.rows) return <Failed error={list.error} retry={list.retry} />;
  if (list.rows?.length === 0) return <Empty title={t.noHistory}>{t.noHistoryText}</Empty>;
  return (
    <>
      <ol className="tg-history">
        {list.rows?.map((revision) => (
          <Entry
            key={revision.revision}
            revision={revision}
            behaviour={behaviour.data?.revisions.find((one) => one.revision === revision.revision)}
            considered={behaviour.data?.considered ?? 0}
            allowed={allowed}
            onBack={() => setBack(revision.revision)}
            onEdit={() => void edit(revision.revision)}
          />
        ))}
      </ol>
      {list.more && (
        <Button size="xs" variant="default" onClick={list.more} loading={list.loadingMore}>
          {w.more}
        </Button>
      )}
      <Confirm
        opened={back !== undefined}
        onClose={() => setBack(undefined)}
        title={t.rollbackTitle(back ?? 0)}
        action={t.rollback}
        dangerous={false}
        run={rollBack}
      >
        <p>{t.rollbackText}</p>
      </Confirm>
    </>
  );
}

interface EntryProps {
  revision: Revision;
  /** Absent for one that decided nothing lately. */
  behaviour: Behaviour | undefined;
  /** Among how many decisions that was counted. */
  considered: number;
  allowed: boolean;
  onBack: () => void;
  onEdit: () => void;
}

function Entry({ revision, behaviour, considered, allowed, onBack, onEdit }: EntryProps) {
  const t = useTexts(ruleWords);
  const [open, setOpen] = useState(false);
  const checks = revision.checks as unknown as Checks | null | undefined;
  return (
    <li>
      <div className="tg-inline tg-history-head">
        <button type="button" className="tg-line-link tg-strong" aria-expanded={open} onClick={() => setOpen(!open)}>
          r{revision.revision}
        </button>
        <span className="tg-history-message">{revision.message || "—"}</span>
        {revision.published && <Status of="active" label={t.current} />}
      </div>
      <div className="tg-inline tg-quiet tg-small">
        <span>{revision.author}</span>
        <Moment at={revision.created_at} />
        {checks && <span>{t.passed(checks.tests.passed)}</span>}
      </div>
      {behaviour && <Behaved of={behaviour} considered={considered} />}
      {open && (
        <div className="tg-stack">
          <Diff text={revision.diff} label={`r${revision.revision}`} />
          <div className="tg-inline">
            {!revision.published && (
              <Button size="xs" variant="default" onClick={onBack} disabled={!allowed}>
                {t.rollback}
              </Button>
            )}
            <Button size="xs" variant="default" onClick={onEdit} disabled={!allowed}>
              {t.toEditor}
            </Button>
          </div>
        </div>
      )}
    </li>
  );
}

/** How the revision has decided lately, in a line; what went wrong comes first. */
function Behaved({ of, considered }: { of: Behaviour; considered: number }) {
  const t = useTexts(ruleWords);
  const states = useTexts(stateWords);
  const language = useLanguage();
  const counts = Object.entries(of.outcomes).sort(([a], [b]) => Number(b === "failed") - Number(a === "failed"));
  return (
    <div className="tg-inline tg-small tg-behaved">
      <span className="tg-quiet" title={t.latelyMeans(considered)}>
        {t.decidedLately(of.decisions)}
      </span>
      {counts.map(([outcome, count]) => (
        <Status
          key={outcome}
          of={outcome}
          plain
          label={`${states[outcome] ?? outcome} ${formatCount(count, language)}`}
        />
      ))}
      <span className="tg-quiet">{t.tookOnAverage(formatMicros(of.mean_us, language))}</span>
    </div>
  );
}
