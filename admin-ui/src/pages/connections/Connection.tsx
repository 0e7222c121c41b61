import { Button, PasswordInput, Skeleton, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { answer, api, ask, type Schema } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import { useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Id } from "../../parts/Copy";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Facts, Page, Section } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { useSubmit } from "../../parts/submit";
import { say, sayFailed } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { SchemaForm } from "../../schema/SchemaForm";
import { type Config, kindOf, resolve, trimmed } from "../../schema/schema";
import { useMay } from "../../session/permissions";
import { TrafficForm } from "../limits/TrafficForm";
import { ClientCertificates } from "./ClientCertificates";
import { Handshake } from "./Handshake";
import { Identity } from "./Identity";
import { wrongField } from "./NewConnection";
import { usePlugins } from "./read";
import { connectionWords } from "./words";

export function Connection() {
  const t = useTexts(connectionWords);
  const w = useTexts(words);
  const merchant = useMerchantSlug();
  const { connection: slug } = useParams({ strict: false }) as { connection: string };
  const path = { merchant, connection: slug };
  const queries = useQueryClient();
  const navigate = useNavigate();
  const allowed = useMay("connections:write", merchant);
  const certificates = useMay("certificates:write", merchant);
  const query = useQuery({
    queryKey: ["connection", merchant, slug],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/connections/{connection}", { params: { path } })),
  });
  const plugins = usePlugins();
  const [asked, setAsked] = useState<"suspend" | "remove">();
  const changed = (connection?: Schema["ConnectionView"]) => {
    if (connection) queries.setQueryData(["connection", merchant, slug], connection);
    void queries.invalidateQueries({ queryKey: ["connections", merchant] });
  };
  const patch = async (body: Schema["ConnectionPatchBody"]) => {
    changed(
      await answer(api.PATCH("/admin/v1/merchants/{merchant}/connections/{connection}", { params: { path }, body })),
    );
    say(w.saved);
  };
  if (query.error && !query.data) {
    return (
      <Page title={slug}>
        <Failed error={query.error} retry={() => void query.refetch()} />
      </Page>
    );
  }
  const connection = query.data;
  if (!connection) {
    return (
      <Page title={slug}>
        <Skeleton height={360} />
      </Page>
    );
  }
  const active = connection.status === "active";
  const plugin = plugins?.find(({ name }) => name === connection.plugin);
  return (
    <Page
      title={
        <span className="tg-inline">
          {connection.slug} <Status of={connection.status} />
        </span>
      }
      name={connection.slug}
      within={{ to: `/m/${merchant}/connections`, title: t.title }}
      intro={t.pathHint}
      action={
        connection.plugin === "terminal" && (
          <Button component={Link} to={`/m/${merchant}/lab?connection=${slug}`}>
            {t.lab}
          </Button>
        )
      }
    >
      <Facts
        of={[
          [t.path, <Id key="p" value={connection.path} />],
          [t.plugin, plugin?.title ?? connection.plugin],
          ...(connection.plugin === "terminal"
            ? []
            : ([[t.health, <Health key="h" merchant={merchant} connection={slug} />]] as [string, React.ReactNode][])),
          [w.id, <Id key="i" value={connection.id} />],
          [w.changed, <Moment key="m" at={connection.updated_at} />],
          [
            w.open,
            <span key="l" className="tg-inline">
              <Link to={`/m/${merchant}/payments?connection=${slug}`}>{t.payments}</Link>
              <Link to={`/m/${merchant}/wire?connection=${slug}`}>{t.wire}</Link>
            </span>,
          ],
        ]}
      />
      <ConfigSection connection={connection} allowed={allowed} save={(config) => patch({ config: config as never })} />
      <Login connection={connection} allowed={allowed} save={patch} />
      <Identity merchant={merchant} connection={connection} allowed={certificates} onChange={changed} />
      <ClientCertificates merchant={merchant} connection={slug} allowed={certificates} />
      {connection.plugin !== "terminal" && (
        <Handshake
          merchant={merchant}
          connection={slug}
          config={connection.config as Record<string, unknown>}
          allowed={certificates}
        />
      )}
      <Section title={t.limits}>
        <TrafficForm
          merchant={merchant}
          path={`/admin/v1/merchants/${merchant}/connections/${slug}/limits`}
          of="connection"
        />
      </Section>
      <Section title={t.danger}>
        <div className="tg-inline">
          <Button
            variant="default"
            disabled={!allowed}
            onClick={() => (active ? setAsked("suspend") : void patch({ status: "active" }).catch(sayFailed))}
          >
            {active ? t.suspend : t.resume}
          </Button>
          <Button variant="outline" color="red" disabled={!allowed} onClick={() => setAsked("remove")}>
            {t.remove}
          </Button>
        </div>
      </Section>
      <Confirm
        opened={asked === "suspend"}
        onClose={() => setAsked(undefined)}
        title={t.suspend}
        action={t.suspend}
        run={() => patch({ status: "suspended" })}
      >
        <p>{t.suspendText}</p>
      </Confirm>
      <Confirm
        opened={asked === "remove"}
        onClose={() => setAsked(undefined)}
        title={t.remove}
        typed={slug}
        action={t.remove}
        run={async () => {
          await answer(api.DELETE("/admin/v1/merchants/{merchant}/connections/{connection}", { params: { path } }));
          changed();
          void navigate({ to: `/m/${merchant}/connections` });
        }}
      >
        <p>{t.removeText}</p>
      </Confirm>
    </Page>
  );
}

type HealthAnswer = Schema["HealthView"];

const HEALTH_MS = 5_000;

function Health({ merchant, connection }: { merchant: string; connection: string }) {
  const t = useTexts(connectionWords);
  const health = useQuery({
    queryKey: ["health", merchant, connection],
    queryFn: () => ask<HealthAnswer>("GET", `/admin/v1/merchants/${merchant}/connections/${connection}/health`),
    refetchInterval: HEALTH_MS,
    retry: false,
  });
  if (!health.data) return <span className="tg-quiet">—</span>;
  const { up, requests, success_percent, latency_ms } = health.data;
  return (
    <span className="tg-inline">
      <Status of={up ? "up" : "down"} />
      <span className="tg-quiet">
        {requests === 0 ? t.noRequests : t.requests(requests, success_percent ?? 0, latency_ms ?? 0)}
      </span>
    </span>
  );
}

function ConfigSection({
  connection,
  allowed,
  save,
}: {
  connection: Schema["ConnectionView"];
  allowed: boolean;
  save: (config: Config) => Promise<void>;
}) {
  const t = useTexts(connectionWords);
  const w = useTexts(words);
  const plugin = usePlugins()?.find(({ name }) => name === connection.plugin);
  const stored = connection.config as unknown as Config;
  const [config, setConfig] = useState<Config>(stored);
  useEffect(() => setConfig(stored), [stored]);
  const { busy, error, submit } = useSubmit(async () => {
    if (plugin) await save(trimmed(config, plugin.config_schema));
  });
  if (!plugin) return <Skeleton height={200} mt={28} />;
  const secrets = Object.values(plugin.config_schema.properties ?? {}).some(
    (field) => kindOf(resolve(field, plugin.config_schema)) === "secret",
  );
  const touched =
    JSON.stringify(trimmed(config, plugin.config_schema)) !== JSON.stringify(trimmed(stored, plugin.config_schema));
  return (
    <Section title={t.settings}>
      <form onSubmit={submit} className="tg-card tg-stack">
        <SchemaForm
          schema={plugin.config_schema}
          value={config}
          onChange={setConfig}
          readOnly={!allowed}
          wrong={wrongField(error)}
        />
        {error !== undefined && <Failed error={error} />}
        <div className="tg-inline">
          <Button type="submit" loading={busy} disabled={!allowed || !touched}>
            {w.save}
          </Button>
          {secrets && <span className="tg-quiet tg-small">{t.secretsKept}</span>}
        </div>
      </form>
    </Section>
  );
}

function Login({
  connection,
  allowed,
  save,
}: {
  connection: Schema["ConnectionView"];
  allowed: boolean;
  save: (body: Schema["ConnectionPatchBody"]) => Promise<void>;
}) {
  const t = useTexts(connectionWords);
  const [login, setLogin] = useState(connection.basic_login ?? "");
  const [password, setPassword] = useState("");
  const [removing, setRemoving] = useState(false);
  const { busy, error, submit } = useSubmit(async () => {
    await save({ basic: { login, password } });
    setPassword("");
  });
  return (
    <Section title={t.login}>
      <form className="tg-card tg-stack" onSubmit={submit}>
        <p className="tg-quiet">{t.loginHint}</p>
        <div className="tg-form-pair">
          <TextInput
            label={t.user}
            autoComplete="off"
            required
            value={login}
            onChange={(event) => setLogin(event.currentTarget.value)}
            readOnly={!allowed}
          />
          <PasswordInput
            label={t.password}
            autoComplete="new-password"
            required
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            readOnly={!allowed}
          />
        </div>
        {error !== undefined && <Failed error={error} />}
        <div className="tg-inline">
          <Button type="submit" variant="default" loading={busy} disabled={!allowed || !login || !password}>
            {t.setLogin}
          </Button>
          {connection.basic_login && (
            <Button variant="subtle" color="red" disabled={!allowed} onClick={() => setRemoving(true)}>
              {t.removeLogin}
            </Button>
          )}
        </div>
      </form>
      <Confirm
        opened={removing}
        onClose={() => setRemoving(false)}
        title={t.removeLogin}
        action={t.removeLogin}
        run={async () => {
          await save({ basic: null });
          setLogin("");
        }}
      >
        <p>{t.removeLoginText}</p>
      </Confirm>
    </Section>
  );
}
