import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Navigate, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { ask, isProblem, ProblemError } from "../api/client";
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
    queryFn: () => ask<{ needed: boolean; single_sign_on: string | null }>("GET", "/admin/v1/setup"),
    staleTime: 60_000,
  });
}

/** Only addresses of our own are gone back to. */
export function safeReturn(to: string | undefined): string {
  return to?.startsWith("/") && !/^[/\\]{2}/.test(to) && !to.startsWith("/sign-in") ? to : "/";
}

const SIGN_ON = "/admin/v1/session/single-sign-on";

/** What the OpenID provider sent the browser back with; read from the address itself, for a router may take digits for a number. */
function sentBack(): { state: string; code: string } | { error: string; detail: string } | undefined {
  const query = new URLSearchParams(window.location.search);
  const [state, code, error] = [query.get("state"), query.get("code"), query.get("error")];
  if (state && error) return { error, detail: query.get("error_description") ?? error };
  return state && code ? { state, code } : undefined;
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
  const [vouched, setVouched] = useState(false);
  const answered = useRef(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  useEffect(() => {
    const answer = sentBack();
    // A code is good once.
    if (!answer || answered.current || session.kind === "in") return;
    answered.current = true;
    void navigate({ to: "/sign-in", search: {}, replace: true });
    if ("error" in answer) {
      setError(new ProblemError({ code: answer.error, title: answer.error, status: 401, detail: answer.detail }));
      return;
    }
    setBusy(true);
    ask<SessionAnswer>("POST", `${SIGN_ON}/finish`, answer)
      .then(accept)
      .catch((failure: unknown) => {
        if (isProblem(failure, "second_factor_required")) setVouched(true);
        else setError(failure);
      })
      .finally(() => setBusy(false));
  }, [session.kind, navigate]);

  if (session.kind === "in") return <Navigate to={safeReturn(to)} replace />;
  if (setup.data?.needed) return <Navigate to="/set-up" replace />;

  const goToProvider = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const { url } = await ask<{ url: string }>("POST", SIGN_ON, undefined, { "x-tollgate-session": "sign-on" });
      window.location.assign(url);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };

  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const body = { email, password, ...(code ? { code: code.trim() } : {}) };
      accept(
        vouched
          ? await ask<SessionAnswer>("POST", `${SIGN_ON}/second-factor`, { code: code.trim() })
          : await ask<SessionAnswer>("POST", "/admin/v1/session", body),
      );
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
        {!vouched && (
          <>
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
          </>
        )}
        {(wantsCode || vouched) && (
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
        {!vouched && setup.data?.single_sign_on && (
          <Button variant="default" disabled={busy} onClick={() => void goToProvider()}>
            {setup.data.single_sign_on}
          </Button>
        )}
      </form>
      <p className="tg-quiet tg-small">{t.forgotten}</p>
    </Outside>
  );
}
