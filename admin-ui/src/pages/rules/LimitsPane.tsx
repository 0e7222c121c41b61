import { Button, NumberInput, Select, Skeleton, Textarea } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { formatBytes, formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Failed } from "../../parts/Failed";
import { useSubmit } from "../../parts/submit";
import { say } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { Secrets } from "./Secrets";
import { ruleWords } from "./words";

type Limits = Schema["LimitSettings"];
const NAMES = ["steps", "decision_ms", "own_cpu_ms", "memory_bytes", "host_calls", "http_calls"] as const;

/** What rules run under: the operator sets it, the merchant may lower its limits. */
export function LimitsPane({ merchant, published }: { merchant: string; published: boolean }) {
  const t = useTexts(ruleWords);
  const w = useTexts(words);
  const language = useLanguage();
  const queries = useQueryClient();
  const operator = useMay("rule_settings:write", merchant);
  const publisher = useMay("rules:publish", merchant);
  const path = { merchant };
  const settings = useQuery({
    queryKey: ["rule-settings", merchant],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/rules/settings", { params: { path } })),
  });
  const limits = useQuery({
    queryKey: ["rule-limits", merchant],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/rules/limits", { params: { path } })),
  });
  const [hosts, setHosts] = useState("");
  const [broken, setBroken] = useState<Schema["OnBrokenRule"]>("retry");
  const [wanted, setWanted] = useState<Limits>({});
  const [removing, setRemoving] = useState(false);
  useEffect(() => {
    if (!settings.data) return;
    setHosts((settings.data.http_hosts ?? []).join("\n"));
    setBroken(settings.data.on_broken_rule ?? "retry");
    setWanted(settings.data.limits ?? {});
  }, [settings.data]);
  const { error, submit: save } = useSubmit(async () => {
    const body = {
      ...settings.data,
      http_hosts: hosts
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean),
      on_broken_rule: broken,
      limits: wanted,
    };
    await answer(api.PUT("/admin/v1/merchants/{merchant}/rules/settings", { params: { path }, body }));
    say(w.saved);
    for (const key of ["rule-settings", "rule-limits"]) void queries.invalidateQueries({ queryKey: [key, merchant] });
  });
  const unpublish = async () => {
    await answer(api.DELETE("/admin/v1/merchants/{merchant}/rules", { params: { path } }));
    for (const key of ["rules", "revisions", "merchant"]) void queries.invalidateQueries({ queryKey: [key, merchant] });
  };
  if (settings.error ?? limits.error)
    return <Failed error={settings.error ?? limits.error} retry={() => void settings.refetch()} />;
  if (!settings.data || !limits.data) return <Skeleton height={300} />;
  const effective = limits.data.effective as Record<string, number | null>;
  const shown = (name: string, value: number) =>
    name === "memory_bytes" ? formatBytes(value, language) : formatCount(value, language);
  return (
    <div className="tg-stack">
      <form onSubmit={save} className="tg-stack">
        <Textarea
          label={t.hosts}
          description={t.hostsHint}
          autosize
          minRows={2}
          classNames={{ input: "mono" }}
          value={hosts}
          onChange={(event) => setHosts(event.currentTarget.value)}
          readOnly={!operator}
        />
        <Select
          label={t.onBroken}
          allowDeselect={false}
          readOnly={!operator}
          value={broken}
          onChange={(value) => setBroken((value as typeof broken) ?? "retry")}
          data={Object.entries(t.onBrokenWords).map(([value, label]) => ({ value, label }))}
        />
        <h2 className="tg-h3">{t.limits}</h2>
        <div className="tg-form-grid">
          {NAMES.map((name) => (
            <NumberInput
              key={name}
              label={t.limitNames[name]}
              description={`${t.effective}: ${shown(name, effective[name] ?? 0)}`}
              inputWrapperOrder={["label", "input", "description"]}
              min={1}
              allowDecimal={false}
              readOnly={!operator}
              value={wanted[name] ?? ""}
              placeholder={formatCount(effective[name] ?? 0, language)}
              onChange={(value) => setWanted({ ...wanted, [name]: value === "" ? null : Number(value) })}
            />
          ))}
        </div>
        {error !== undefined && <Failed error={error} />}
        <div>
          <Button type="submit" disabled={!operator}>
            {w.save}
          </Button>
        </div>
      </form>
      <Secrets merchant={merchant} hosts={settings.data.http_hosts ?? []} />
      {published && (
        <div className="tg-apart">
          <Button size="xs" variant="outline" color="red" onClick={() => setRemoving(true)} disabled={!publisher}>
            {t.unpublish}
          </Button>
        </div>
      )}
      <Confirm
        opened={removing}
        onClose={() => setRemoving(false)}
        title={t.unpublish}
        typed={merchant}
        action={t.unpublish}
        run={unpublish}
      >
        <p>{t.unpublishText}</p>
      </Confirm>
    </div>
  );
}
