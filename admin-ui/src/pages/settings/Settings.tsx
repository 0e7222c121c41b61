import { Button, PasswordInput, SegmentedControl, TextInput, useMantineColorScheme } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ask, type Schema } from "../../api/client";
import { setLanguage, texts, useLanguage, useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Facts, Page, Section } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { Sheet } from "../../parts/Sheet";
import { Status } from "../../parts/Status";
import { useSubmit } from "../../parts/submit";
import { say, sayFailed } from "../../parts/Toasts";
import { wholeList } from "../../parts/whole";
import { words } from "../../parts/words";
import { useMe } from "../../session/permissions";
import { SecondFactor } from "../../session/SecondFactor";
import { type Me, updateMe } from "../../session/session";
import { browserName } from "./browser";

const settingWords = texts(
  {
    title: "Settings",
    account: "Your account",
    email: "E-mail",
    name: "Name",
    look: "Look",
    theme: "Theme",
    themes: { auto: "as the system", light: "light", dark: "dark" },
    language: "Language",
    password: "Password",
    current: "Current password",
    next: "New password",
    nextHint: "At least 12 characters; a few words do well. Your other sessions end.",
    change: "Change the password",
    changed: "The password is changed",
    factor: "Second factor",
    factorOn: "An authenticator app is asked for when you sign in.",
    factorOff: "Your password alone opens your account.",
    setUp: "Set it up",
    off: "Turn it off",
    offText: "From then on your password alone opens your account. Your recovery codes are void.",
    left: "Recovery codes left",
    sessions: "Sessions",
    browser: "Browser",
    from: "From",
    seen: "Last used",
    end: "End",
    here: "this one",
    tokenOnly: "You look around with the operator's token. It has no account: set the gateway up to get one.",
  },
  {
    title: "Настройки",
    account: "Ваша учётная запись",
    email: "Почта",
    name: "Имя",
    look: "Вид",
    theme: "Тема",
    themes: { auto: "как в системе", light: "светлая", dark: "тёмная" },
    language: "Язык",
    password: "Пароль",
    current: "Нынешний пароль",
    next: "Новый пароль",
    nextHint: "Не меньше 12 символов; хорошо подходят несколько слов. Другие ваши сеансы закончатся.",
    change: "Сменить пароль",
    changed: "Пароль сменён",
    factor: "Второй фактор",
    factorOn: "При входе спрашивается код приложения-аутентификатора.",
    factorOff: "Вашу учётную запись открывает один пароль.",
    setUp: "Включить",
    off: "Выключить",
    offText: "Дальше вашу учётную запись открывает один пароль. Коды восстановления больше не действуют.",
    left: "Осталось кодов восстановления",
    sessions: "Сеансы",
    browser: "Браузер",
    from: "Откуда",
    seen: "Последнее обращение",
    end: "Закончить",
    here: "этот",
    tokenOnly: "Вы смотрите с токеном оператора. Учётной записи у него нет: настройте шлюз, чтобы её завести.",
  },
);

type OpenSession = Schema["OpenSessionView"];

export function Settings() {
  const t = useTexts(settingWords);
  const me = useMe();
  return (
    <Page title={t.title}>
      <Look />
      {me.id === "" ? (
        <Section title={t.account}>
          <p className="tg-quiet">{t.tokenOnly}</p>
        </Section>
      ) : (
        <>
          <Account />
          <Factor />
          <Password />
          <Sessions />
        </>
      )}
    </Page>
  );
}

function Look() {
  const t = useTexts(settingWords);
  const language = useLanguage();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <div className="tg-card">
      <h2>{t.look}</h2>
      <Facts
        of={[
          [
            t.theme,
            <SegmentedControl
              key="t"
              size="xs"
              aria-label={t.theme}
              value={colorScheme}
              onChange={(value) => setColorScheme(value as "auto" | "light" | "dark")}
              data={Object.entries(t.themes).map(([value, label]) => ({ value, label }))}
            />,
          ],
          [
            t.language,
            <SegmentedControl
              key="l"
              size="xs"
              aria-label={t.language}
              value={language}
              onChange={(value) => setLanguage(value as "en" | "ru")}
              data={[
                { value: "en", label: "English" },
                { value: "ru", label: "Русский" },
              ]}
            />,
          ],
        ]}
      />
    </div>
  );
}

function Account() {
  const t = useTexts(settingWords);
  const w = useTexts(words);
  const me = useMe();
  const [name, setName] = useState(me.name);
  const save = async (event: React.FormEvent) => {
    event.preventDefault();
    try {
      updateMe(await ask<Me>("PATCH", "/admin/v1/me", { name }));
      say(w.saved);
    } catch (failure) {
      sayFailed(failure);
    }
  };
  return (
    <Section title={t.account}>
      <form onSubmit={save} className="tg-card tg-stack">
        <div className="tg-form-pair">
          <TextInput label={t.name} required value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <TextInput label={t.email} readOnly value={me.email} />
        </div>
        <div>
          <Button type="submit" variant="default" disabled={name === me.name}>
            {w.save}
          </Button>
        </div>
      </form>
    </Section>
  );
}

function Factor() {
  const t = useTexts(settingWords);
  const me = useMe();
  const [settingUp, setSettingUp] = useState(false);
  const [turningOff, setTurningOff] = useState(false);
  const [password, setPassword] = useState("");
  const turnOff = async () => {
    await ask("DELETE", "/admin/v1/me/second-factor", { password });
    setPassword("");
    updateMe(await ask<Me>("GET", "/admin/v1/me"));
  };
  return (
    <Section title={t.factor}>
      <div className="tg-card tg-stack">
        <p className="tg-inline">
          <Status of={me.second_factor ? "ok" : "missing"} label={me.second_factor ? t.factorOn : t.factorOff} />
        </p>
        {me.second_factor && me.recovery_codes_left !== undefined && (
          <p className="tg-quiet">
            {t.left}: {me.recovery_codes_left}
          </p>
        )}
        <div>
          {me.second_factor ? (
            <Button variant="default" onClick={() => setTurningOff(true)}>
              {t.off}
            </Button>
          ) : (
            <Button onClick={() => setSettingUp(true)}>{t.setUp}</Button>
          )}
        </div>
      </div>
      {settingUp && (
        <Sheet title={t.factor} onClose={() => setSettingUp(false)}>
          <SecondFactor onDone={() => setSettingUp(false)} />
        </Sheet>
      )}
      <Confirm opened={turningOff} onClose={() => setTurningOff(false)} title={t.off} action={t.off} run={turnOff}>
        <p>{t.offText}</p>
        <PasswordInput
          label={t.current}
          required
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
      </Confirm>
    </Section>
  );
}

function Password() {
  const t = useTexts(settingWords);
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const { error, submit } = useSubmit(async () => {
    await ask("POST", "/admin/v1/me/password", { current, new: next });
    setCurrent("");
    setNext("");
    say(t.changed);
  });
  return (
    <Section title={t.password}>
      <form onSubmit={submit} className="tg-card tg-stack">
        <div className="tg-form-pair">
          <PasswordInput
            label={t.current}
            required
            autoComplete="current-password"
            value={current}
            onChange={(event) => setCurrent(event.currentTarget.value)}
          />
          <PasswordInput
            label={t.next}
            description={t.nextHint}
            inputWrapperOrder={["label", "input", "description", "error"]}
            required
            autoComplete="new-password"
            value={next}
            onChange={(event) => setNext(event.currentTarget.value)}
          />
        </div>
        {error !== undefined && <Failed error={error} />}
        <div>
          <Button type="submit" variant="default" disabled={!current || !next}>
            {t.change}
          </Button>
        </div>
      </form>
    </Section>
  );
}

function Sessions() {
  const t = useTexts(settingWords);
  const w = useTexts(words);
  const queries = useQueryClient();
  const sessions = useQuery({
    queryKey: ["sessions"],
    queryFn: () => ask<{ data: OpenSession[] }>("GET", "/admin/v1/me/sessions"),
  });
  const end = async (id: string) => {
    try {
      await ask("DELETE", `/admin/v1/me/sessions/${id}`);
      void queries.invalidateQueries({ queryKey: ["sessions"] });
    } catch (failure) {
      sayFailed(failure);
    }
  };
  const columns: Column<OpenSession>[] = [
    {
      key: "browser",
      title: t.browser,
      cell: ({ user_agent, current }) => (
        <span>
          {browserName(user_agent)} {current && <Status of="active" label={t.here} />}
        </span>
      ),
    },
    { key: "from", title: t.from, cell: ({ address }) => <span className="mono">{address}</span> },
    { key: "seen", title: t.seen, cell: ({ seen_at }) => <Moment at={seen_at} as="ago" /> },
    {
      key: "end",
      title: w.actions,
      narrow: "nameless",
      cell: ({ id, current }) =>
        !current && (
          <Button size="compact-xs" variant="default" onClick={() => void end(id)}>
            {t.end}
          </Button>
        ),
    },
  ];
  // There is nothing to do with the one that is looked from.
  const alone = sessions.data?.data.length === 1;
  return (
    <Section title={t.sessions}>
      <Rows
        label={t.sessions}
        columns={alone ? columns.slice(0, -1) : columns}
        list={wholeList(sessions)}
        id={({ id }) => id}
        empty={null}
      />
    </Section>
  );
}
