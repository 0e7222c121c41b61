import { Button, Checkbox, NumberInput, Textarea, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ask, type Schema } from "../../api/client";
import { useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Section } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { FormSheet, SecretSheet } from "../../parts/Sheet";
import { Status } from "../../parts/Status";
import { saveAs } from "../../parts/saveAs";
import { sayFailed } from "../../parts/Toasts";
import { wholeList } from "../../parts/whole";
import { words } from "../../parts/words";
import { Expiry } from "./Connections";
import { certificateWords } from "./certificateWords";

type ClientCertificate = Schema["ClientCertificateView"];

type Handout = Schema["HandoutView"];

const DAYS = 365;

/** What the network may show us at this connection. */
export function ClientCertificates({
  merchant,
  connection,
  allowed,
}: {
  merchant: string;
  connection: string;
  allowed: boolean;
}) {
  const t = useTexts(certificateWords);
  const w = useTexts(words);
  const queries = useQueryClient();
  const base = `/admin/v1/merchants/${merchant}/connections/${connection}/client-certificates`;
  const list = useQuery({
    queryKey: ["client-certificates", merchant, connection],
    queryFn: () => ask<{ data: ClientCertificate[] }>("GET", base),
  });
  const [asked, setAsked] = useState<"issue" | "trust">();
  const [revoking, setRevoking] = useState<ClientCertificate>();
  const [handout, setHandout] = useState<Handout>();
  const changed = () => void queries.invalidateQueries({ queryKey: ["client-certificates", merchant, connection] });
  const renew = async (id: string) => {
    try {
      setHandout(await ask<Handout>("POST", `${base}/${id}/renew`, {}));
      changed();
    } catch (failure) {
      sayFailed(failure);
    }
  };
  const columns: Column<ClientCertificate>[] = [
    {
      key: "name",
      title: w.name,
      cell: ({ name, sha256 }) => <span title={sha256}>{name || sha256.slice(0, 16)}</span>,
    },
    { key: "kind", title: t.role, cell: ({ kind }) => t.kinds[kind] ?? kind },
    { key: "standing", title: t.standing, cell: ({ standing }) => <Status of={standing} /> },
    { key: "ends", title: t.ends, cell: ({ not_after }) => not_after && <Expiry at={not_after} /> },
    {
      key: "actions",
      title: w.actions,
      narrow: "nameless",
      cell: (certificate) => (
        <span className="tg-inline">
          {certificate.kind === "issued" && (
            <Button size="compact-xs" variant="default" disabled={!allowed} onClick={() => void renew(certificate.id)}>
              {t.renew}
            </Button>
          )}
          {certificate.standing !== "revoked" && (
            <Button
              size="compact-xs"
              variant="subtle"
              color="red"
              disabled={!allowed}
              onClick={() => setRevoking(certificate)}
            >
              {t.revoke}
            </Button>
          )}
        </span>
      ),
    },
  ];
  return (
    <Section
      title={t.title}
      action={
        <span className="tg-inline">
          <Button size="xs" variant="default" disabled={!allowed} onClick={() => setAsked("trust")}>
            {t.trust}
          </Button>
          <Button size="xs" disabled={!allowed} onClick={() => setAsked("issue")}>
            {t.issue}
          </Button>
        </span>
      }
    >
      <div className="tg-stack">
        <p className="tg-quiet">{t.hint}</p>
        <Rows
          label={t.title}
          columns={columns}
          list={wholeList(list)}
          id={({ id }) => id}
          empty={<p className="tg-quiet">{t.none}</p>}
        />
      </div>
      {asked === "issue" && (
        <Issue base={base} onClose={() => setAsked(undefined)} onDone={changed} onMade={setHandout} />
      )}
      {asked === "trust" && <Trust base={base} onClose={() => setAsked(undefined)} onDone={changed} />}
      {handout && <HandoutSheet of={handout} onClose={() => setHandout(undefined)} />}
      <Confirm
        opened={revoking !== undefined}
        onClose={() => setRevoking(undefined)}
        title={`${t.revoke}: ${revoking?.name ?? ""}`}
        action={t.revoke}
        run={async () => {
          await ask("DELETE", `${base}/${revoking?.id}`);
          changed();
        }}
      >
        <p>{t.revokeText}</p>
      </Confirm>
    </Section>
  );
}

interface SheetProps {
  base: string;
  onClose: () => void;
  onDone: () => void;
}

function Issue({ base, onClose, onDone, onMade }: SheetProps & { onMade: (handout: Handout) => void }) {
  const t = useTexts(certificateWords);
  const [name, setName] = useState("");
  const [days, setDays] = useState<number | string>(DAYS);
  const [compatible, setCompatible] = useState(false);
  const run = async () => {
    onMade(await ask<Handout>("POST", base, { name, days: Number(days), compatible }));
    onDone();
    onClose();
  };
  return (
    <FormSheet title={t.issue} action={t.issue} onClose={onClose} run={run}>
      <p className="tg-quiet">{t.issueHint}</p>
      <TextInput
        label={t.name}
        required
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        data-autofocus
      />
      <NumberInput label={t.days} min={1} max={825} value={days} onChange={setDays} />
      <Checkbox
        label={t.compatible}
        checked={compatible}
        onChange={(event) => setCompatible(event.currentTarget.checked)}
      />
    </FormSheet>
  );
}

function Trust({ base, onClose, onDone }: SheetProps) {
  const t = useTexts(certificateWords);
  const [name, setName] = useState("");
  const [leaf, setLeaf] = useState("");
  const run = async () => {
    await ask("POST", `${base}/trusted`, { name, leaf });
    onDone();
    onClose();
  };
  return (
    <FormSheet title={t.trust} action={t.trust} onClose={onClose} run={run}>
      <p className="tg-quiet">{t.trustHint}</p>
      <TextInput
        label={t.name}
        required
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        data-autofocus
      />
      <Textarea
        label={t.leaf}
        required
        autosize
        minRows={5}
        maxRows={12}
        classNames={{ input: "mono" }}
        placeholder="-----BEGIN CERTIFICATE-----"
        value={leaf}
        onChange={(event) => setLeaf(event.currentTarget.value)}
      />
    </FormSheet>
  );
}

function HandoutSheet({ of, onClose }: { of: Handout; onClose: () => void }) {
  const t = useTexts(certificateWords);
  const download = () => {
    const bytes = Uint8Array.from(atob(of.pkcs12), (letter) => letter.charCodeAt(0));
    saveAs(new Blob([bytes], { type: "application/x-pkcs12" }), of.file_name);
  };
  return (
    <SecretSheet
      title={of.file_name}
      secret={of.password}
      what={t.password}
      onClose={onClose}
      action={<Button onClick={download}>{t.file}</Button>}
    >
      <p className="tg-quiet">{t.passwordHint}</p>
    </SecretSheet>
  );
}
