import { Button, PasswordInput, Select, TagsInput, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { FormSheet } from "../../parts/Sheet";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { ruleWords } from "./words";

type Secret = Schema["SecretView"];

/** What rules may show to hosts: named here, never shown again. */
export function Secrets({ merchant, hosts }: { merchant: string; hosts: string[] }) {
  const t = useTexts(ruleWords);
  const queries = useQueryClient();
  const readable = useMay("rule_secrets:read", merchant);
  const allowed = useMay("rule_secrets:write", merchant);
  const secrets = useQuery({
    queryKey: ["rule-secrets", merchant],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/rules/secrets", { params: { path: { merchant } } })),
    enabled: readable,
  });
  const [adding, setAdding] = useState(false);
  const [forgetting, setForgetting] = useState<Secret>();
  if (!readable) return null;
  const changed = () => void queries.invalidateQueries({ queryKey: ["rule-secrets", merchant] });
  const forget = async () => {
    const path = { merchant, name: forgetting?.name ?? "" };
    await answer(api.DELETE("/admin/v1/merchants/{merchant}/rules/secrets/{name}", { params: { path } }));
    changed();
  };
  return (
    <div className="tg-stack">
      <h2 className="tg-h3">{t.secrets}</h2>
      <p className="tg-quiet tg-small">{t.secretsHint}</p>
      {secrets.error && <Failed error={secrets.error} retry={() => void secrets.refetch()} />}
      {secrets.data?.data.length === 0 && <p className="tg-quiet">{t.secretNone}</p>}
      {secrets.data && secrets.data.data.length > 0 && (
        <ul className="tg-tests">
          {secrets.data.data.map((secret) => (
            <li key={secret.name} className="tg-test">
              <span className="mono tg-strong">{secret.name}</span>
              <span className="tg-quiet">
                {secret.header} · {secret.hosts.join(", ")} · <Moment at={secret.changed_at} as="day" />
              </span>
              <Button
                size="compact-xs"
                variant="default"
                disabled={!allowed}
                aria-label={`${t.secretForget} ${secret.name}`}
                onClick={() => setForgetting(secret)}
              >
                {t.secretForget}
              </Button>
            </li>
          ))}
        </ul>
      )}
      <div>
        <Button size="xs" variant="default" disabled={!allowed} onClick={() => setAdding(true)}>
          {t.secretAdd}
        </Button>
      </div>
      {adding && <NewSecret merchant={merchant} hosts={hosts} onClose={() => setAdding(false)} onDone={changed} />}
      <Confirm
        opened={forgetting !== undefined}
        onClose={() => setForgetting(undefined)}
        title={`${t.secretForget}: ${forgetting?.name ?? ""}`}
        action={t.secretForget}
        run={forget}
      >
        <p>{t.secretForgetText}</p>
      </Confirm>
    </div>
  );
}

interface NewProps {
  merchant: string;
  hosts: string[];
  onClose: () => void;
  onDone: () => void;
}

function NewSecret({ merchant, hosts, onClose, onDone }: NewProps) {
  const t = useTexts(ruleWords);
  const w = useTexts(words);
  const [name, setName] = useState("");
  const [form, setForm] = useState<Schema["SecretForm"]>("bearer");
  const [header, setHeader] = useState("");
  const [of, setOf] = useState<string[]>(hosts.slice(0, 1));
  const [value, setValue] = useState("");
  const run = async () => {
    const body = { value, form, hosts: of, ...(form === "plain" ? { header } : {}) };
    const path = { merchant, name };
    await answer(api.PUT("/admin/v1/merchants/{merchant}/rules/secrets/{name}", { params: { path }, body }));
    onDone();
    onClose();
  };
  return (
    <FormSheet title={t.secretAdd} action={w.save} onClose={onClose} run={run} ready={of.length > 0}>
      <TextInput
        label={t.secretName}
        required
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        data-autofocus
      />
      <Select
        label={t.secretForm}
        allowDeselect={false}
        value={form}
        onChange={(next) => setForm((next as typeof form) ?? form)}
        data={Object.entries(t.secretForms).map(([value, label]) => ({ value, label }))}
      />
      {form === "plain" && (
        <TextInput
          label={t.secretHeader}
          required
          value={header}
          onChange={(event) => setHeader(event.currentTarget.value)}
        />
      )}
      <TagsInput label={t.secretHosts} description={t.secretHostsHint} data={hosts} value={of} onChange={setOf} />
      <PasswordInput
        label={t.secretValue}
        required
        autoComplete="off"
        value={value}
        onChange={(event) => setValue(event.currentTarget.value)}
      />
    </FormSheet>
  );
}
