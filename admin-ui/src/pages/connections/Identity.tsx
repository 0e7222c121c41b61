import { Button, PasswordInput, Textarea } from "@mantine/core";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Id } from "../../parts/Copy";
import { Failed } from "../../parts/Failed";
import { FileDrop } from "../../parts/FileDrop";
import { Facts, Section } from "../../parts/Page";
import { useSubmit } from "../../parts/submit";
import { words } from "../../parts/words";
import { Expiry } from "./Connections";
import { asBase64 } from "./read";
import { connectionWords } from "./words";

interface Props {
  merchant: string;
  connection: Schema["ConnectionView"];
  allowed: boolean;
  onChange: (connection: Schema["ConnectionView"]) => void;
}

/** The client certificate that a connection shows, and whom it believes. */
export function Identity({ merchant, connection, allowed, onChange }: Props) {
  const t = useTexts(connectionWords);
  const path = { merchant, connection: connection.slug };
  const [file, setFile] = useState<File>();
  const [password, setPassword] = useState("");
  const [removing, setRemoving] = useState(false);
  const { error, submit: install } = useSubmit(async () => {
    if (!file) return;
    const body = { pkcs12: await asBase64(file), password };
    onChange(
      await answer(
        api.PUT("/admin/v1/merchants/{merchant}/connections/{connection}/identity", { params: { path }, body }),
      ),
    );
    setFile(undefined);
    setPassword("");
  });
  const remove = async () =>
    onChange(
      await answer(
        api.DELETE("/admin/v1/merchants/{merchant}/connections/{connection}/identity", { params: { path } }),
      ),
    );
  const { identity } = connection;
  return (
    <Section title={t.identity}>
      <div className="tg-card tg-stack">
        <p className="tg-quiet">{t.identityHint}</p>
        {identity ? (
          <Facts
            of={[
              [
                t.subject,
                <span key="s" className="mono">
                  {identity.subject}
                </span>,
              ],
              [
                t.issuer,
                <span key="i" className="mono">
                  {identity.issuer}
                </span>,
              ],
              [t.validUntil, <Expiry key="v" at={identity.not_after} />],
              [t.names, identity.names.join(", ") || "—"],
              [t.serial, <Id key="n" value={identity.serial} />],
              [t.sha256, <Id key="h" value={identity.sha256} />],
              [t.chain, String(identity.chain_length)],
            ]}
          />
        ) : (
          <p>{t.identityNone}</p>
        )}
        {allowed && (
          <form onSubmit={install} className="tg-form-pair">
            <FileDrop label={t.drop} accept=".p12,.pfx" file={file} onFile={setFile} />
            <div className="tg-stack">
              <PasswordInput
                label={t.p12Password}
                autoComplete="off"
                value={password}
                onChange={(event) => setPassword(event.currentTarget.value)}
              />
              <div className="tg-inline">
                <Button type="submit" disabled={!file}>
                  {identity ? t.replace : t.set}
                </Button>
                {identity && (
                  <Button variant="subtle" color="red" onClick={() => setRemoving(true)}>
                    {t.removeIdentity}
                  </Button>
                )}
              </div>
            </div>
          </form>
        )}
        {error !== undefined && <Failed error={error} />}
        <Roots merchant={merchant} connection={connection} allowed={allowed} onChange={onChange} />
      </div>
      <Confirm
        opened={removing}
        onClose={() => setRemoving(false)}
        title={t.removeIdentity}
        action={t.removeIdentity}
        run={remove}
      >
        <p>{t.removeIdentityText}</p>
      </Confirm>
    </Section>
  );
}

function Roots({ merchant, connection, allowed, onChange }: Props) {
  const t = useTexts(connectionWords);
  const w = useTexts(words);
  const [pem, setPem] = useState("");
  const [removing, setRemoving] = useState(false);
  const set = async (roots: string | null) => {
    const path = { merchant, connection: connection.slug };
    const body = { roots };
    onChange(
      await answer(
        api.PUT("/admin/v1/merchants/{merchant}/connections/{connection}/roots", { params: { path }, body }),
      ),
    );
    setPem("");
  };
  const { busy, error, submit } = useSubmit(() => set(pem));
  return (
    <details>
      <summary className="tg-summary">{t.roots}</summary>
      <div className="tg-stack">
        <p>{connection.own_roots ? t.rootsYes : t.rootsNo}</p>
        <Textarea
          label={t.rootsSet}
          autosize
          minRows={3}
          maxRows={10}
          classNames={{ input: "mono" }}
          placeholder="-----BEGIN CERTIFICATE-----"
          value={pem}
          onChange={(event) => setPem(event.currentTarget.value)}
          readOnly={!allowed}
        />
        {error !== undefined && <Failed error={error} />}
        <div className="tg-inline">
          <Button variant="default" loading={busy} disabled={!allowed || !pem} onClick={() => void submit()}>
            {w.save}
          </Button>
          {connection.own_roots && (
            <Button variant="subtle" color="red" disabled={!allowed} onClick={() => setRemoving(true)}>
              {t.rootsRemove}
            </Button>
          )}
        </div>
      </div>
      <Confirm
        opened={removing}
        onClose={() => setRemoving(false)}
        title={t.rootsRemove}
        action={t.rootsRemove}
        run={() => set(null)}
      >
        <p>{t.rootsRemoveText}</p>
      </Confirm>
    </details>
  );
}
