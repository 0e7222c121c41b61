import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Navigate, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { ask, isProblem } from "../api/client";
import { useTexts } from "../language/language";
import { Failed } from "../parts/Failed";
import { Outside } from "./Outside";
import { useSession } from "./permissions";
import { accept, type SessionAnswer } from "./session";
import { sessionWords } from "./words";

/** Whether nobody can sign in yet. */
export function useSetup() {
  return useQuery({
    queryKey: ["setup"],
    queryFn: () => ask<{ needed: boolean }>("GET", "/admin/v1/setup"),
    staleTime: 60_000,
  });
}

/** Only addresses of our own are gone back to. */
export function safeReturn(to: string | undefined): string {
  return to?.startsWith("/") && !/^[/\\]{2}/.test(to) && !to.startsWith("/sign-in") ? to : "/";
}

export function SignIn() {
  const t = useTexts(sessionWords);
  const navigate = useNavigate();
  const session = useSession();
  const setup = useSetup();
  const { to } = useSearch({ strict: false }) as { to?: string };
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [wantsCode, setWantsCode] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  if (session.kind === "in") return <Navigate to={safeReturn(to)} replace />;
  if (setup.data?.needed) return <Navigate to="/set-up" replace />;

  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const body = { email, password, ...(code ? { code: code.trim() } : {}) };
      accept(await ask<SessionAnswer>("POST", "/admin/v1/session", body));
      void navigate({ to: safeReturn(to), replace: true });
    } catch (failure) {
      if (isProblem(failure, "second_factor_required") && !wantsCode) setWantsCode(true);
      else setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Outside title={t.signIn} hint={t.signInHint}>
      <form onSubmit={submit}>
        <TextInput
          label={t.email}
          type="email"
          autoComplete="username"
          required
          value={email}
          onChange={(e) => setEmail(e.currentTarget.value)}
        />
        <PasswordInput
          label={t.password}
          autoComplete="current-password"
          required
          value={password}
          onChange={(e) => setPassword(e.currentTarget.value)}
        />
        {wantsCode && (
          <TextInput
            label={t.code}
            description={t.codeHint}
            autoComplete="one-time-code"
            autoFocus
            required
            value={code}
            onChange={(e) => setCode(e.currentTarget.value)}
          />
        )}
        {error !== undefined && <Failed error={error} />}
        <Button type="submit" loading={busy}>
          {t.signIn}
        </Button>
      </form>
      <p className="tg-quiet tg-small">{t.forgotten}</p>
    </Outside>
  );
}
