import { Select, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api, ProblemError } from "../../api/client";
import { useTexts } from "../../language/language";
import { FormSheet } from "../../parts/Sheet";
import { words } from "../../parts/words";
import { SchemaForm } from "../../schema/SchemaForm";
import { type Config, trimmed } from "../../schema/schema";
import { usePlugins } from "./read";
import { connectionWords } from "./words";

export function NewConnection({ merchant, onClose }: { merchant: string; onClose: () => void }) {
  const t = useTexts(connectionWords);
  const w = useTexts(words);
  const plugins = usePlugins();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [plugin, setPlugin] = useState<string | null>(null);
  const [slug, setSlug] = useState("");
  const [config, setConfig] = useState<Config>({});
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const chosen = plugins?.find(({ name }) => name === plugin);
  const run = async () => {
    if (!chosen) return;
    const body = {
      slug,
      plugin: chosen.name,
      config: trimmed(config, chosen.config_schema) as never,
      ...(login ? { basic: { login, password } } : {}),
    };
    await answer(api.POST("/admin/v1/merchants/{merchant}/connections", { params: { path: { merchant } }, body }));
    void queries.invalidateQueries({ queryKey: ["connections", merchant] });
    onClose();
    void navigate({ to: `/m/${merchant}/connections/${slug}` });
  };
  return (
    <FormSheet title={t.add} action={w.create} onClose={onClose} run={run} ready={!!chosen && slug !== ""} size="xl">
      {(error) => (
        <>
          <div className="tg-form-pair">
            <Select
              label={t.plugin}
              required
              data={plugins?.map(({ name, title }) => ({ value: name, label: title })) ?? []}
              value={plugin}
              onChange={(name) => {
                setPlugin(name);
                setConfig({});
                if (slug === "" || plugins?.some((one) => one.name === slug)) setSlug(name ?? "");
              }}
              data-autofocus
            />
            <TextInput
              label={t.slug}
              description={t.slugHint}
              inputWrapperOrder={["label", "input", "description", "error"]}
              required
              pattern="[a-z0-9][a-z0-9\-]*"
              value={slug}
              onChange={(event) => setSlug(event.currentTarget.value)}
            />
          </div>
          {chosen && (
            <>
              <p className="tg-quiet">{chosen.summary}</p>
              <SchemaForm
                key={chosen.name}
                schema={chosen.config_schema}
                value={config}
                onChange={setConfig}
                wrong={wrongField(error)}
              />
              {(chosen.config_schema.properties?.auth || login) && (
                <div className="tg-form-pair">
                  <TextInput
                    label={`${t.login}: ${t.user}`}
                    description={t.loginHint}
                    inputWrapperOrder={["label", "input", "description"]}
                    autoComplete="off"
                    value={login}
                    onChange={(event) => setLogin(event.currentTarget.value)}
                  />
                  <TextInput
                    label={t.password}
                    type="password"
                    autoComplete="new-password"
                    required={login !== ""}
                    value={password}
                    onChange={(event) => setPassword(event.currentTarget.value)}
                  />
                </div>
              )}
            </>
          )}
        </>
      )}
    </FormSheet>
  );
}

/** The field that the gateway complained about, and how. */
export function wrongField(error: unknown) {
  const problem = error instanceof ProblemError ? error.problem : undefined;
  return problem?.field ? { field: problem.field, text: problem.detail } : undefined;
}
