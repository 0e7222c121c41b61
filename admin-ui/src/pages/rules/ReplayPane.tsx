import { Button, Group, Progress, Select } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import type { ChangeReport } from "../../api/shapes";
import { formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Status } from "../../parts/Status";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { Changes } from "./Changes";
import { ruleWords } from "./words";

export type Replay = Schema["ReplayView"];
const RUNNING_MS = 400;
const SIZES = [1_000, 10_000, 100_000];

/** The replay that runs, or ran last. */
export function useLastReplay(merchant: string) {
  return useQuery({
    queryKey: ["replay", merchant],
    queryFn: async () => {
      const page = await answer(
        api.GET("/admin/v1/merchants/{merchant}/rules/replays", {
          params: { path: { merchant }, query: { limit: 1 } },
        }),
      );
      return page.data[0] ?? null;
    },
    refetchInterval: (query) => (query.state.data?.status === "running" ? RUNNING_MS : false),
  });
}

export function draftVersionOf(replay: Replay): number | undefined {
  return (replay.target as { draft?: number }).draft;
}

export function ReplayPane({
  merchant,
  hasDraft,
  version,
}: {
  merchant: string;
  hasDraft: boolean;
  version: number | undefined;
}) {
  const t = useTexts(ruleWords);
  const language = useLanguage();
  const queries = useQueryClient();
  const allowed = useMay("rules:write", merchant);
  const replay = useLastReplay(merchant);
  const [last, setLast] = useState(String(SIZES[1]));
  const [error, setError] = useState<unknown>();
  const start = async () => {
    setError(undefined);
    try {
      const body = { last: Number(last) };
      const started = await answer(
        api.POST("/admin/v1/merchants/{merchant}/rules/replay", { params: { path: { merchant } }, body }),
      );
      queries.setQueryData(["replay", merchant], started);
    } catch (failure) {
      setError(failure);
    }
  };
  const running = replay.data?.status === "running";
  return (
    <div className="tg-stack">
      <p className="tg-quiet tg-small">{t.replayHint}</p>
      <Group align="flex-end" gap={8}>
        <Select
          label={t.lastN}
          w={200}
          allowDeselect={false}
          value={last}
          onChange={(value) => setLast(value ?? last)}
          data={SIZES.map((size) => ({ value: String(size), label: t.newest(formatCount(size, language)) }))}
        />
        <Button onClick={() => void start()} disabled={!hasDraft || running || !allowed}>
          {t.replayRun}
        </Button>
      </Group>
      {(error ?? replay.error) ? <Failed error={error ?? replay.error} /> : null}
      {replay.data && <Found merchant={merchant} replay={replay.data} current={version} />}
    </div>
  );
}

function Found({ merchant, replay, current }: { merchant: string; replay: Replay; current: number | undefined }) {
  const t = useTexts(ruleWords);
  const w = useTexts(words);
  const language = useLanguage();
  const version = draftVersionOf(replay);
  const revision = (replay.target as { revision?: number }).revision;
  const done = replay.total ? (100 * replay.done) / replay.total : 100;
  return (
    <div className="tg-stack">
      <div className="tg-inline">
        <Status of={replay.status} />
        <span>
          {t.replayOf}{" "}
          {version !== undefined ? t.draftVersion(version) : revision !== undefined ? t.revisionN(revision) : t.editor}
        </span>
        <span className={version !== undefined && version !== current ? "tg-amber" : "tg-quiet"}>
          <Moment at={replay.created_at} as="ago" />
        </span>
      </div>
      {replay.status === "running" && (
        <div role="status">
          <Progress value={done} aria-label={t.replay} />
          <p className="tg-quiet tg-small">
            {t.progress(formatCount(replay.done, language), formatCount(replay.total, language))}
          </p>
        </div>
      )}
      {replay.error && <p className="tg-red">{replay.error || w.failed}</p>}
      {replay.report ? <Changes merchant={merchant} report={replay.report as unknown as ChangeReport} /> : null}
    </div>
  );
}
