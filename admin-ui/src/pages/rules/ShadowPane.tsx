import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../../api/client";
import type { ChangeReport } from "../../api/shapes";
import { formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Status } from "../../parts/Status";
import { useMay } from "../../session/permissions";
import { Changes } from "./Changes";
import { orNothing } from "./draft";
import { ruleWords } from "./words";

const WATCH_MS = 2_000;

export function ShadowPane({ merchant, hasDraft }: { merchant: string; hasDraft: boolean }) {
  const t = useTexts(ruleWords);
  const language = useLanguage();
  const queries = useQueryClient();
  const allowed = useMay("rules:write", merchant);
  const [error, setError] = useState<unknown>();
  const path = { merchant };
  const shadow = useQuery({
    queryKey: ["shadow", merchant],
    queryFn: () => orNothing(answer(api.GET("/admin/v1/merchants/{merchant}/rules/shadow", { params: { path } }))),
    refetchInterval: (query) => (query.state.data?.running ? WATCH_MS : false),
  });
  const act = async (call: () => Promise<unknown>) => {
    setError(undefined);
    try {
      await call();
      await queries.invalidateQueries({ queryKey: ["shadow", merchant] });
    } catch (failure) {
      setError(failure);
    }
  };
  const start = () => answer(api.PUT("/admin/v1/merchants/{merchant}/rules/shadow", { params: { path }, body: {} }));
  const stop = () => answer(api.DELETE("/admin/v1/merchants/{merchant}/rules/shadow", { params: { path } }));
  const data = shadow.data;
  const target = data?.target as { draft?: number; revision?: number } | undefined;
  return (
    <div className="tg-stack">
      <p className="tg-quiet tg-small">{t.shadowHint}</p>
      <div className="tg-inline">
        <Button onClick={() => void act(start)} disabled={!hasDraft || !allowed}>
          {t.shadowStart}
        </Button>
        {data?.running && (
          <Button variant="default" onClick={() => void act(stop)} disabled={!allowed}>
            {t.shadowStop}
          </Button>
        )}
      </div>
      {(error ?? shadow.error) ? <Failed error={error ?? shadow.error} /> : null}
      {data && (
        <>
          <div className="tg-inline">
            <Status of={data.running ? "running" : "stopped"} label={data.running ? t.shadowRuns : t.shadowEnded} />
            <span>
              {target?.draft !== undefined ? t.draftVersion(target.draft) : t.revisionN(target?.revision ?? 0)}
            </span>
            <span className="tg-quiet">
              <Moment at={data.created_at} as="ago" /> · {data.author}
            </span>
          </div>
          <p className="tg-inline">
            {t.decided(formatCount(data.report.decided, language))}
            {data.report.dropped > 0 && (
              <span className="tg-amber">{t.dropped(formatCount(data.report.dropped, language))}</span>
            )}
          </p>
          <Changes merchant={merchant} report={data.report as unknown as ChangeReport} />
        </>
      )}
    </div>
  );
}
