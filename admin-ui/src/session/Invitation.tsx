import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { ask, type Schema } from "../api/client";
import { useTexts } from "../language/language";
import { Failed } from "../parts/Failed";
import { useSubmit } from "../parts/submit";
import { Outside } from "./Outside";
import { accept, type SessionAnswer } from "./session";
import { sessionWords } from "./words";

type InvitationView = Schema["InvitationView"];

export function Invitation() {
  const t = useTexts(sessionWords);
  const navigate = useNavigate();
  const { token } = useParams({ strict: false }) as { token: string };
  const path = `/admin/v1/invitations/${encodeURIComponent(token)}`;
  const invitation = useQuery({
    queryKey: ["invitation", token],
    queryFn: () => ask<InvitationView>("GET", path),
    retry: false,
  });
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const data = invitation.data;
  const { busy, error, submit } = useSubmit(async () => {
    const answer = await ask<SessionAnswer | undefined>("POST", path, { ...(data?.known ? {} : { name }), password });
    if (answer?.access_token) accept(answer);
    void navigate({ to: "/", replace: true });
  });
  if (invitation.error)
    return (
      <Outside title={t.invited} hint={t.invitationGone}>
        {null}
      </Outside>
    );
  return (
    <Outside title={t.invited} {...(data ? { hint: t.invitedTo(data.merchant ?? t.operator, data.role) } : {})}>
      <form onSubmit={submit}>
        <TextInput label={t.email} value={data?.email ?? ""} readOnly autoComplete="username" />
        {!data?.known && (
          <TextInput
            label={t.name}
            required
            autoComplete="name"
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
          />
        )}
        <PasswordInput
          label={data?.known ? t.password : t.newPassword}
          description={data?.known ? undefined : t.newPasswordHint}
          required
          autoComplete={data?.known ? "current-password" : "new-password"}
          value={password}
          onChange={(e) => setPassword(e.currentTarget.value)}
        />
        {error !== undefined && <Failed error={error} />}
        <Button type="submit" loading={busy} disabled={!data}>
          {t.accept}
        </Button>
      </form>
    </Outside>
  );
}
