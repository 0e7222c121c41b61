import { Button, Select } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { formatBasisPoints, formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Status } from "../../parts/Status";
import { useMay } from "../../session/permissions";
import { orNothing } from "./draft";
import { ruleWords } from "./words";

const WATCH_MS = 2_000;
const SHARES = [100, 500, 1_000, 2_000, 5_000];

interface Arm {
  decisions: number;
  errors: number;
  refusals: number;
}

export function CanaryPane({ merchant, hasDraft }: { merchant: string; hasDraft: boolean }) {
  const t = useTexts(ruleWords);
  const language = useLanguage();
  const queries = useQueryClient();
  const allowed = useMay("rules:publish", merchant);
  const [share, setShare] = useState("500");
  const [error, setError] = useState<unknown>();
  const [promoting, setPromoting] = useState(false);
  const path = { merchant };
  const canary = useQuery({
    queryKey: ["canary", merchant],
    queryFn: () => orNothing(answer(api.GET("/admin/v1/merchants/{merchant}/rules/canary", { params: { path } }))),
    refetchInterval: (query) => (query.state.data?.status === "running" ? WATCH_MS : false),
  });
  const changed = async () => {
    for (const key of ["canary", "rules", "revisions", "draft"])
      await queries.invalidateQueries({ queryKey: [key, merchant] });
  };
  const act = async (call: () => Promise<unknown>) => {
    setError(undefined);
    try {
      await call();
      await changed();
    } catch (failure) {
      setError(failure);
    }
  };
  const data = canary.data;
  const running = data?.status === "running";
  const start = () =>
    answer(
      api.PUT("/admin/v1/merchants/{merchant}/rules/canary", {
        params: { path },
        body: { share_bp: Number(share), ...(running ? { revision: data.revision } : {}) },
      }),
    );
  const stop = () => answer(api.DELETE("/admin/v1/merchants/{merchant}/rules/canary", { params: { path } }));
  const promote = () => answer(api.POST("/admin/v1/merchants/{merchant}/rules/canary/promote", { params: { path } }));
  return (
    <div className="tg-stack">
      <p className="tg-quiet tg-small">{t.canaryHint}</p>
      <div className="tg-inline tg-end">
        <Select
          label={t.share}
          w={140}
          allowDeselect={false}
          value={share}
          onChange={(value) => setShare(value ?? share)}
          data={SHARES.map((points) => ({ value: String(points), label: formatBasisPoints(points, language) }))}
        />
        <Button
          variant={running ? "default" : "filled"}
          onClick={() => void act(start)}
          disabled={!allowed || (!running && !hasDraft)}
        >
          {running ? t.canaryShare : t.canaryStart}
        </Button>
      </div>
      {(error ?? canary.error) ? <Failed error={error ?? canary.error} /> : null}
      {data && (
        <>
          <div className="tg-inline">
            <Status of={data.status} />
            <span>
              {t.armCanary(data.revision)} · {formatBasisPoints(data.share_bp, language)}
            </span>
            <span className="tg-quiet">
              <Moment at={data.created_at} as="ago" /> · {data.author}
            </span>
          </div>
          {data.reason ? (
            <p className="tg-red">
              {data.status === "withdrawn" && `${t.withdrawn}: `}
              <Reason of={data.reason as Reason} />
            </p>
          ) : null}
          <Arms canary={data} />
          <Confirm
            opened={promoting}
            onClose={() => setPromoting(false)}
            title={`${t.canaryPromote}: r${data.revision}`}
            action={t.canaryPromote}
            dangerous={false}
            run={async () => {
              await promote();
              await changed();
            }}
          >
            <p>{t.canaryPromoteText}</p>
          </Confirm>
          {running && (
            <div className="tg-inline">
              <Button onClick={() => setPromoting(true)} disabled={!allowed}>
                {t.canaryPromote}
              </Button>
              <Button variant="default" onClick={() => void act(stop)} disabled={!allowed}>
                {t.canaryStop}
              </Button>
            </div>
          )}
        </>
      )}
    </div>
  );
}

interface Reason {
  bound?: string;
  limit?: number;
  measured?: number;
  because?: string;
}

/** Why it ended: the bound that it left and how far, or what came in its place. */
function Reason({ of: { bound, limit, measured, because } }: { of: Reason }) {
  const t = useTexts(ruleWords);
  const language = useLanguage();
  if (!bound || limit === undefined || measured === undefined) return because ?? bound ?? "";
  const share = (points: number) => formatBasisPoints(points, language);
  return t.outOfBounds(t.bounds[bound] ?? bound, share(measured), share(limit));
}

function Arms({ canary }: { canary: Schema["CanaryView"] }) {
  const t = useTexts(ruleWords);
  const language = useLanguage();
  const counts = canary.counts as unknown as { canary: Arm; published: Arm };
  const share = (part: number, all: number) =>
    all ? ` (${formatBasisPoints(Math.round((10_000 * part) / all), language)})` : "";
  const rows: [string, Arm][] = [
    [t.armCanary(canary.revision), counts.canary],
    [t.armPublished, counts.published],
  ];
  return (
    <table className="tg-changes">
      <thead>
        <tr>
          {[t.arm, t.count, t.refusals, t.errors].map((title, index) => (
            <th key={title} scope="col" className={index ? "tg-right" : undefined}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, arm]) => (
          <tr key={name}>
            <td>{name}</td>
            <td className="tg-right">{formatCount(arm.decisions, language)}</td>
            <td className="tg-right">
              {formatCount(arm.refusals, language)}
              {share(arm.refusals, arm.decisions)}
            </td>
            <td className="tg-right">
              {formatCount(arm.errors, language)}
              {share(arm.errors, arm.decisions)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
