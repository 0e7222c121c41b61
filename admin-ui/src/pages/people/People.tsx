import { Button, Select, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlus } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ask, type Schema } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import { texts, useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Empty } from "../../parts/Empty";
import { Moment } from "../../parts/Moment";
import { Page, Section } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { FormSheet, SecretSheet } from "../../parts/Sheet";
import { Status } from "../../parts/Status";
import { sayFailed } from "../../parts/Toasts";
import { wholeList } from "../../parts/whole";
import { words } from "../../parts/words";
import { useMay, useMe } from "../../session/permissions";

export const peopleWords = texts(
  {
    title: "People",
    staffIntro:
      "Who may see and change this merchant. A person may belong to several merchants, with another role in each.",
    operatorIntro: "Who runs the gateway itself: owners, operators and auditors.",
    invite: "Invite",
    name: "Name",
    email: "E-mail",
    role: "Role",
    roles: {
      owner: "owner: everything, people too",
      operator: "operator: merchants, networks, limits",
      auditor: "auditor: reads everything, changes nothing",
      admin: "admin: everything of this merchant",
      developer: "developer: rules, webhooks, keys",
      support: "support: payments, lists, sends webhooks again",
      viewer: "viewer: reads payments",
    } as Record<string, string>,
    seen: "Last seen",
    factor: "Second factor",
    factorOn: "on",
    factorOff: "off",
    remove: "Remove",
    removeText: "Their sessions here end within a minute. What they did stays in the audit trail.",
    invited: "Invitations",
    link: "The invitation's link",
    linkHint: "Send it to the person by a way you trust. Whoever has it first becomes them.",
    until: "Good until",
    by: "Invited by",
    revoke: "Revoke",
    revokeText: "The link opens nothing any more. Another invitation can be sent at any time.",
    you: "you",
    empty: "Nobody yet",
    staffEmpty: "Invite the people who look after this merchant. Each sets a password of their own.",
    operatorEmpty:
      "Nobody has an account yet: the gateway is looked at with the operator's token. Set the gateway up to become its first owner, or invite one.",
  },
  {
    title: "Люди",
    staffIntro:
      "Кто может смотреть и менять этого мерчанта. Человек может быть у нескольких мерчантов, у каждого со своей ролью.",
    operatorIntro: "Кто ведёт сам шлюз: владельцы, операторы и аудиторы.",
    invite: "Пригласить",
    name: "Имя",
    email: "Почта",
    role: "Роль",
    roles: {
      owner: "владелец: всё, и люди тоже",
      operator: "оператор: мерчанты, сети, лимиты",
      auditor: "аудитор: читает всё, не меняет ничего",
      admin: "администратор: всё у этого мерчанта",
      developer: "разработчик: правила, вебхуки, ключи",
      support: "поддержка: платежи, списки, повтор вебхуков",
      viewer: "наблюдатель: читает платежи",
    } as Record<string, string>,
    seen: "Был здесь",
    factor: "Второй фактор",
    factorOn: "включён",
    factorOff: "выключен",
    remove: "Убрать",
    removeText: "Сеансы здесь закончатся за минуту. Сделанное останется в аудите.",
    invited: "Приглашения",
    link: "Ссылка приглашения",
    linkHint: "Передайте её человеку надёжным путём. Кто первый откроет, тот им и станет.",
    until: "Действует до",
    by: "Пригласил",
    revoke: "Отозвать",
    revokeText: "Ссылка больше ничего не откроет. Новое приглашение можно отправить в любой момент.",
    you: "вы",
    empty: "Пока никого",
    staffEmpty: "Пригласите тех, кто отвечает за этого мерчанта. Пароль каждый задаст себе сам.",
    operatorEmpty:
      "Учётных записей пока нет: шлюз открыт токеном оператора. Настройте шлюз, чтобы стать первым владельцем, или пригласите его.",
  },
);

type Person = Schema["PersonView"];

type Invitation = Schema["OpenInvitationView"];

export function OperatorPeople() {
  const t = useTexts(peopleWords);
  return (
    <People
      base="/admin/v1/people"
      roles={["owner", "operator", "auditor"]}
      allowed={useMay("operators:write")}
      intro={t.operatorIntro}
      emptyText={t.operatorEmpty}
    />
  );
}

export function MerchantPeople() {
  const t = useTexts(peopleWords);
  const merchant = useMerchantSlug();
  const base = `/admin/v1/merchants/${merchant}/people`;
  return (
    <People
      base={base}
      roles={["admin", "developer", "support", "viewer"]}
      allowed={useMay("people:write", merchant)}
      intro={t.staffIntro}
      emptyText={t.staffEmpty}
    />
  );
}

interface PeopleProps {
  base: string;
  roles: string[];
  allowed: boolean;
  intro: string;
  emptyText: string;
}

function People({ base, roles, allowed, intro, emptyText }: PeopleProps) {
  const t = useTexts(peopleWords);
  const w = useTexts(words);
  const me = useMe();
  const queries = useQueryClient();
  const people = useQuery({ queryKey: ["people", base], queryFn: () => ask<{ data: Person[] }>("GET", base) });
  const invitations = useQuery({
    queryKey: ["invitations", base],
    queryFn: () => ask<{ data: Invitation[] }>("GET", `${base}/invitations`),
  });
  const [inviting, setInviting] = useDisclosure();
  const [removing, setRemoving] = useState<Person>();
  const [taking, setTaking] = useState<Invitation>();
  const changed = () => {
    void queries.invalidateQueries({ queryKey: ["people", base] });
    void queries.invalidateQueries({ queryKey: ["invitations", base] });
  };
  const act = async (call: () => Promise<unknown>) => {
    try {
      await call();
      changed();
    } catch (failure) {
      sayFailed(failure);
    }
  };
  const choices = roles.map((role) => ({ value: role, label: t.roles[role] ?? role }));
  const columns: Column<Person>[] = [
    {
      key: "name",
      title: t.name,
      cell: (person) => (
        <span>
          <span className="tg-strong">{person.name}</span>{" "}
          {person.id === me.id && <span className="tg-quiet">({t.you})</span>}
        </span>
      ),
    },
    { key: "email", title: t.email, cell: ({ email }) => email },
    {
      key: "role",
      title: t.role,
      cell: (person) =>
        allowed && person.id !== me.id ? (
          <Select
            size="xs"
            aria-label={`${t.role}: ${person.name}`}
            allowDeselect={false}
            className="tg-role"
            data={choices}
            value={person.role}
            onChange={(role) => void act(() => ask("PATCH", `${base}/${person.id}`, { role }))}
          />
        ) : (
          (t.roles[person.role] ?? person.role)
        ),
    },
    {
      key: "factor",
      title: t.factor,
      cell: (person) => (
        <Status of={person.second_factor ? "ok" : "missing"} label={person.second_factor ? t.factorOn : t.factorOff} />
      ),
    },
    {
      key: "seen",
      title: t.seen,
      narrow: "hidden",
      cell: ({ seen_at }) => seen_at && <Moment at={seen_at} as="ago" />,
    },
    {
      key: "remove",
      title: w.actions,
      narrow: "nameless",
      cell: (person) =>
        person.id !== me.id && (
          <Button size="compact-xs" variant="default" disabled={!allowed} onClick={() => setRemoving(person)}>
            {t.remove}
          </Button>
        ),
    },
  ];
  // Nobody removes themselves.
  const alone = people.data?.data.every(({ id }) => id === me.id) ?? false;
  const open: Column<Invitation>[] = [
    { key: "email", title: t.email, cell: ({ email }) => email },
    { key: "role", title: t.role, cell: ({ role }) => t.roles[role] ?? role },
    { key: "by", title: t.by, narrow: "hidden", cell: ({ invited_by }) => invited_by },
    { key: "until", title: t.until, cell: ({ expires_at }) => <Moment at={expires_at} /> },
    {
      key: "revoke",
      title: w.actions,
      narrow: "nameless",
      cell: (invitation) => (
        <Button size="compact-xs" variant="default" disabled={!allowed} onClick={() => setTaking(invitation)}>
          {t.revoke}
        </Button>
      ),
    },
  ];
  const invite = (
    <Button leftSection={<IconPlus size={16} />} onClick={setInviting.open} disabled={!allowed}>
      {t.invite}
    </Button>
  );
  return (
    <Page title={t.title} intro={intro} action={(people.data?.data.length ?? 0) > 0 && invite}>
      <Rows
        label={t.title}
        columns={alone ? columns.slice(0, -1) : columns}
        list={wholeList(people)}
        id={({ id }) => id}
        empty={
          <Empty title={t.empty} action={invite}>
            {emptyText}
          </Empty>
        }
      />
      {invitations.data && invitations.data.data.length > 0 && (
        <Section title={t.invited}>
          <Rows label={t.invited} columns={open} list={wholeList(invitations)} id={({ id }) => id} empty={null} />
        </Section>
      )}
      {inviting && <Invite base={base} choices={choices} onClose={setInviting.close} onDone={changed} />}
      <Confirm
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={`${t.remove}: ${removing?.name ?? ""}`}
        action={t.remove}
        run={async () => {
          await ask("DELETE", `${base}/${removing?.id}`);
          changed();
        }}
      >
        <p>{t.removeText}</p>
      </Confirm>
      <Confirm
        opened={taking !== undefined}
        onClose={() => setTaking(undefined)}
        title={`${t.revoke}: ${taking?.email ?? ""}`}
        action={t.revoke}
        run={async () => {
          await ask("DELETE", `${base}/invitations/${taking?.id}`);
          changed();
        }}
      >
        <p>{t.revokeText}</p>
      </Confirm>
    </Page>
  );
}

interface InviteProps {
  base: string;
  choices: { value: string; label: string }[];
  onClose: () => void;
  onDone: () => void;
}

function Invite({ base, choices, onClose, onDone }: InviteProps) {
  const t = useTexts(peopleWords);
  const [email, setEmail] = useState("");
  const [role, setRole] = useState(choices.at(-1)?.value ?? "");
  const [made, setMade] = useState<Invitation>();
  const run = async () => {
    setMade(await ask<Invitation>("POST", `${base}/invitations`, { email, role }));
    onDone();
  };
  if (made) {
    return (
      <SecretSheet title={t.invite} secret={made.url} what={t.link} onClose={onClose}>
        <p className="tg-quiet">{t.linkHint}</p>
      </SecretSheet>
    );
  }
  return (
    <FormSheet title={t.invite} action={t.invite} onClose={onClose} run={run}>
      <TextInput
        label={t.email}
        type="email"
        required
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
        data-autofocus
      />
      <Select
        label={t.role}
        allowDeselect={false}
        data={choices}
        value={role}
        onChange={(value) => setRole(value ?? role)}
      />
    </FormSheet>
  );
}
