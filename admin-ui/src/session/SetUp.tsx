import { Anchor, Button, PasswordInput, TextInput } from "@mantine/core";
import { Navigate, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { ask } from "../api/client";
import { useTexts } from "../language/language";
import { Failed } from "../parts/Failed";
import { Outside } from "./Outside";
import { useSession } from "./permissions";
import { SecondFactor } from "./SecondFactor";
import { useSetup } from "./SignIn";
import { accept, type SessionAnswer } from "./session";
import { sessionWords } from "./words";

export function SetUp() {
  const t = useTexts(sessionWords);
  const navigate = useNavigate();
  const session = useSession();
  const setup = useSetup();
  const [fields, setFields] = useState({ token: "", email: "", name: "", password: "" });
  const [made, setMade] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const set = (name: keyof typeof fields) => (event: React.ChangeEvent<HTMLInputElement>) =>
    setFields({ ...fields, [name]: event.currentTarget.value });

  if (made) {
    return (
      <Outside title={t.secondFactor} hint={t.secondFactorHint}>
        <SecondFactor onDone={() => void navigate({ to: "/", replace: true })} later />
      </Outside>
    );
  }
  if (session.kind === "in") return <Navigate to="/" replace />;
  if (setup.data?.needed === false) return <Navigate to="/sign-in" replace />;

  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const answer = await ask<SessionAnswer>("POST", "/admin/v1/setup", fields);
      setMade(true);
      accept(answer);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const lookAround = async () => {
    try {
      await ask("GET", "/admin/v1/merchants?limit=1", undefined, { Authorization: `Bearer ${fields.token}` });
      accept(tokenSession(fields.token, t.withToken));
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <Outside title={t.setUp} hint={t.setUpHint}>
      <form onSubmit={submit}>
        <PasswordInput
          label={t.token}
          description={t.tokenHint}
          required
          value={fields.token}
          onChange={set("token")}
        />
        <TextInput label={t.name} autoComplete="name" required value={fields.name} onChange={set("name")} />
        <TextInput
          label={t.email}
          type="email"
          autoComplete="username"
          required
          value={fields.email}
          onChange={set("email")}
        />
        <PasswordInput
          label={t.newPassword}
          description={t.newPasswordHint}
          autoComplete="new-password"
          required
          value={fields.password}
          onChange={set("password")}
        />
        {error !== undefined && <Failed error={error} />}
        <Button type="submit" loading={busy}>
          {t.becomeOwner}
        </Button>
        {fields.token && (
          <Anchor component="button" type="button" size="sm" onClick={() => void lookAround()}>
            {t.lookAround}
          </Anchor>
        )}
      </form>
    </Outside>
  );
}

/** The operator's token as a session, until a first owner exists. It is kept in memory alone, and ends with the tab. */
function tokenSession(token: string, name: string): SessionAnswer {
  return {
    access_token: token,
    expires_at: new Date(Date.now() + 8 * 3_600_000).toISOString(),
    me: {
      id: "",
      email: "",
      name,
      operator_role: "owner",
      memberships: [],
      second_factor: false,
      must_set_second_factor: false,
      recovery_codes_left: 0,
      permissions: { "*": ["*"] },
    },
  };
}
