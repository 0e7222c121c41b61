import { Button, Checkbox, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlus } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import { localToUtc } from "../../format/time";
import { texts, useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Empty } from "../../parts/Empty";
import { Moment } from "../../parts/Moment";
import { Page } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { FormSheet, SecretSheet, Sheet } from "../../parts/Sheet";
import { Status } from "../../parts/Status";
import { wholeList } from "../../parts/whole";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { TrafficForm } from "../limits/TrafficForm";

const keyWords = texts(
  {
    title: "API keys",
    intro: "With these your systems call /v1: create payments, refunds and payouts, read events.",
    add: "Make a key",
    empty: "No keys yet",
    emptyText:
      "Each system of yours gets a key of its own, with no more than it needs; so one can be revoked without stopping the others.",
    prefix: "Starts with",
    scopes: "May do",
    everything: "everything",
    used: "Last used",
    expires: "Expires",
    revoke: "Revoke",
    revokeText: "It opens nothing within a second, on every node. Requests that carry it are answered with 401.",
    expiresHint: "Empty: it does not expire.",
    secretOf: "The key",
    unused: "never",
    limits: "Limits",
  },
  {
    title: "Ключи API",
    intro: "С ними ваши системы вызывают /v1: создают платежи, возвраты и выплаты, читают события.",
    add: "Создать ключ",
    empty: "Ключей пока нет",
    emptyText:
      "У каждой системы свой ключ, и не больше прав, чем ей нужно: тогда один можно отозвать, не останавливая другие.",
    prefix: "Начало",
    scopes: "Можно",
    everything: "всё",
    used: "Последнее использование",
    expires: "Истекает",
    revoke: "Отозвать",
    revokeText: "За секунду он перестанет открывать что-либо на всех узлах. Запросы с ним получат 401.",
    expiresHint: "Пусто: не истекает.",
    secretOf: "Ключ",
    unused: "никогда",
    limits: "Лимиты",
  },
);

type ApiKey = Schema["ApiKeyView"];
const SCOPES = [
  "payments:read",
  "payments:write",
  "refunds:write",
  "payouts:read",
  "payouts:write",
  "tokens:read",
  "tokens:write",
  "accounts:read",
  "cards:read",
  "cards:write",
  "events:read",
  "webhooks:read",
  "webhooks:write",
  "connections:read",
];

export function Keys() {
  const t = useTexts(keyWords);
  const w = useTexts(words);
  const merchant = useMerchantSlug();
  const queries = useQueryClient();
  const allowed = useMay("api_keys:write", merchant);
  const keys = useQuery({
    queryKey: ["api-keys", merchant],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/api_keys", { params: { path: { merchant } } })),
  });
  const [adding, setAdding] = useDisclosure();
  const [revoking, setRevoking] = useState<ApiKey>();
  const [limited, setLimited] = useState<ApiKey>();
  const revoke = async () => {
    const path = { merchant, key: revoking?.id ?? "" };
    await answer(api.DELETE("/admin/v1/merchants/{merchant}/api_keys/{key}", { params: { path } }));
    void queries.invalidateQueries({ queryKey: ["api-keys", merchant] });
  };
  const columns: Column<ApiKey>[] = [
    { key: "name", title: w.name, cell: (key) => <span className="tg-strong">{key.name}</span> },
    { key: "status", title: w.status, narrow: "beside", cell: (key) => <Status of={stateOf(key)} /> },
    { key: "prefix", title: t.prefix, narrow: "hidden", cell: (key) => <span className="mono">{key.prefix}</span> },
    {
      key: "scopes",
      title: t.scopes,
      cell: (key) => (key.scopes.includes("*") ? t.everything : <span className="mono">{key.scopes.join(", ")}</span>),
    },
    { key: "used", title: t.used, cell: (key) => (key.used_at ? <Moment at={key.used_at} as="ago" /> : t.unused) },
    {
      key: "expires",
      title: t.expires,
      narrow: "hidden",
      cell: (key) => (key.expires_at ? <Moment at={key.expires_at} as="day" /> : w.never),
    },
    {
      key: "revoke",
      title: w.actions,
      narrow: "nameless",
      cell: (key) =>
        stateOf(key) === "active" && (
          <span className="tg-inline">
            <Button size="compact-xs" variant="default" onClick={() => setLimited(key)}>
              {t.limits}
            </Button>
            <Button size="compact-xs" variant="default" disabled={!allowed} onClick={() => setRevoking(key)}>
              {t.revoke}
            </Button>
          </span>
        ),
    },
  ];
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={setAdding.open} disabled={!allowed}>
      {t.add}
    </Button>
  );
  return (
    <Page title={t.title} intro={t.intro} action={(keys.data?.data.length ?? 0) > 0 && add}>
      <Rows
        label={t.title}
        columns={columns}
        list={wholeList(keys)}
        id={({ id }) => id}
        empty={
          <Empty title={t.empty} action={add}>
            {t.emptyText}
          </Empty>
        }
      />
      {adding && <NewKey merchant={merchant} onClose={setAdding.close} />}
      {limited && (
        <Sheet title={`${t.limits}: ${limited.name}`} onClose={() => setLimited(undefined)} size="lg">
          <TrafficForm
            merchant={merchant}
            path={`/admin/v1/merchants/${merchant}/api_keys/${limited.id}/limits`}
            of="api_key"
          />
        </Sheet>
      )}
      <Confirm
        opened={revoking !== undefined}
        onClose={() => setRevoking(undefined)}
        title={`${t.revoke}: ${revoking?.name ?? ""}`}
        typed={revoking?.name ?? ""}
        action={t.revoke}
        run={revoke}
      >
        <p>{t.revokeText}</p>
      </Confirm>
    </Page>
  );
}

function stateOf(key: ApiKey): string {
  const now = Date.now();
  if (key.revoked_at && Date.parse(key.revoked_at) <= now) return "revoked";
  return key.expires_at && Date.parse(key.expires_at) <= now ? "expired" : "active";
}

function NewKey({ merchant, onClose }: { merchant: string; onClose: () => void }) {
  const t = useTexts(keyWords);
  const w = useTexts(words);
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<string[]>(["payments:read", "payments:write", "events:read"]);
  const [all, setAll] = useState(false);
  const [expires, setExpires] = useState("");
  const [made, setMade] = useState<ApiKey>();
  const run = async () => {
    const at = localToUtc(expires);
    const body = { name, scopes: all ? ["*"] : scopes, ...(at ? { expires_at: at } : {}) };
    setMade(
      await answer(api.POST("/admin/v1/merchants/{merchant}/api_keys", { params: { path: { merchant } }, body })),
    );
    void queries.invalidateQueries({ queryKey: ["api-keys", merchant] });
  };
  const ready = all || scopes.length > 0;
  if (made) return <SecretSheet title={t.add} secret={made.key} what={t.secretOf} onClose={onClose} />;
  return (
    <FormSheet title={t.add} action={w.create} onClose={onClose} run={run} ready={ready} size="lg">
      <TextInput
        label={w.name}
        required
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        data-autofocus
      />
      <fieldset className="tg-fieldset">
        <legend>{t.scopes}</legend>
        <Checkbox label={t.everything} checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
        <div className="tg-scopes">
          {SCOPES.map((scope) => (
            <Checkbox
              key={scope}
              label={<span className="mono">{scope}</span>}
              disabled={all}
              checked={all || scopes.includes(scope)}
              onChange={() =>
                setScopes(scopes.includes(scope) ? scopes.filter((one) => one !== scope) : [...scopes, scope])
              }
            />
          ))}
        </div>
      </fieldset>
      <TextInput
        type="datetime-local"
        label={t.expires}
        description={t.expiresHint}
        value={expires}
        onChange={(event) => setExpires(event.currentTarget.value)}
      />
    </FormSheet>
  );
}
