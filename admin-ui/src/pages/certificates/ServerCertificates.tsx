import { Button, PasswordInput, Select, Textarea } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlus } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useMerchants } from "../../api/merchants";
import { useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { CopyButton } from "../../parts/Copy";
import { Empty } from "../../parts/Empty";
import { Failed } from "../../parts/Failed";
import { FileDrop } from "../../parts/FileDrop";
import { Facts, Page, Section } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { FormSheet } from "../../parts/Sheet";
import { saveAs } from "../../parts/saveAs";
import { wholeList } from "../../parts/whole";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { Expiry } from "../connections/Connections";
import { asBase64 } from "../connections/read";
import { serverWords } from "./words";

type ServerCertificate = Schema["ServerCertificateView"];

/** What TLS listeners show, and the authority that issues for networks. */
export function ServerCertificates() {
  const t = useTexts(serverWords);
  const w = useTexts(words);
  const queries = useQueryClient();
  const allowed = useMay("installation_certificates:write");
  const list = useQuery({
    queryKey: ["server-certificates"],
    queryFn: () => answer(api.GET("/admin/v1/certificates/server")),
  });
  const merchants = useMerchants();
  const names = new Map(merchants?.map(({ id, name }) => [id, name]));
  const [adding, setAdding] = useDisclosure();
  const [removing, setRemoving] = useState<ServerCertificate>();
  const changed = () => void queries.invalidateQueries({ queryKey: ["server-certificates"] });
  const remove = async () => {
    const path = { certificate: removing?.id ?? "" };
    await answer(api.DELETE("/admin/v1/certificates/server/{certificate}", { params: { path } }));
    changed();
  };
  const columns: Column<ServerCertificate>[] = [
    { key: "names", title: t.names, cell: ({ names }) => <span className="mono tg-url">{names.join(", ")}</span> },
    {
      key: "merchant",
      title: t.merchant,
      cell: ({ merchant_id }) =>
        merchant_id ? (names.get(merchant_id) ?? <span className="mono">{merchant_id}</span>) : t.all,
    },
    {
      key: "clients",
      title: t.clients,
      cell: ({ client_certificates }) => t.modes[client_certificates] ?? client_certificates,
    },
    { key: "ends", title: t.ends, cell: ({ not_after }) => <Expiry at={not_after} /> },
    {
      key: "remove",
      title: w.actions,
      narrow: "nameless",
      cell: (certificate) => (
        <Button size="compact-xs" variant="default" disabled={!allowed} onClick={() => setRemoving(certificate)}>
          {t.remove}
        </Button>
      ),
    },
  ];
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={setAdding.open} disabled={!allowed}>
      {t.add}
    </Button>
  );
  return (
    <Page title={t.title} intro={t.intro} action={(list.data?.data.length ?? 0) > 0 && add}>
      <Rows
        label={t.title}
        columns={columns}
        list={wholeList(list)}
        id={({ id }) => id}
        empty={
          <Empty title={t.empty} action={add}>
            {t.emptyText}
          </Empty>
        }
      />
      <Authority />
      {adding && <Add onClose={setAdding.close} onDone={changed} />}
      <Confirm
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={`${t.remove}: ${removing?.names.join(", ") ?? ""}`}
        action={t.remove}
        run={remove}
      >
        <p>{t.removeText}</p>
      </Confirm>
    </Page>
  );
}

function Authority() {
  const t = useTexts(serverWords);
  const w = useTexts(words);
  const authority = useQuery({
    queryKey: ["authority"],
    queryFn: () => answer(api.GET("/admin/v1/certificates/authority")),
    staleTime: 60_000,
  });
  if (authority.error) return <Failed error={authority.error} retry={() => void authority.refetch()} />;
  if (!authority.data) return null;
  const { certificate, pem } = authority.data;
  return (
    <Section title={t.authority}>
      <div className="tg-stack">
        <p className="tg-quiet">{t.authorityText}</p>
        <Facts
          of={[
            [
              t.subject,
              <span key="s" className="mono">
                {certificate.subject}
              </span>,
            ],
            [t.ends, <Expiry key="e" at={certificate.not_after} />],
            [
              t.copy,
              <span key="c" className="tg-inline">
                <Button
                  size="compact-xs"
                  variant="default"
                  onClick={() => saveAs(new Blob([pem], { type: "application/x-pem-file" }), "tollgate-authority.pem")}
                >
                  {w.download}
                </Button>
                <CopyButton value={pem} what={t.copy} />
              </span>,
            ],
          ]}
        />
      </div>
    </Section>
  );
}

function Add({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const t = useTexts(serverWords);
  const w = useTexts(words);
  const merchants = useMerchants();
  const [merchant, setMerchant] = useState<string | null>(null);
  const [mode, setMode] = useState<Schema["ClientCertificatesView"]>("off");
  const [pem, setPem] = useState("");
  const [file, setFile] = useState<File>();
  const [password, setPassword] = useState("");
  const run = async () => {
    const body = {
      client_certificates: mode,
      ...(merchant ? { merchant } : {}),
      ...(file ? { pkcs12: await asBase64(file), password } : { pem }),
    };
    await answer(api.POST("/admin/v1/certificates/server", { body }));
    onDone();
    onClose();
  };
  return (
    <FormSheet title={t.add} action={t.add} onClose={onClose} run={run} ready={pem !== "" || !!file} size="lg">
      <div className="tg-form-pair">
        <Select
          label={t.merchant}
          placeholder={t.all}
          clearable
          clearButtonProps={{ "aria-label": w.clear }}
          data={merchants?.map(({ slug, name }) => ({ value: slug, label: name })) ?? []}
          value={merchant}
          onChange={setMerchant}
        />
        <Select
          label={t.clients}
          allowDeselect={false}
          data={Object.entries(t.modes).map(([value, label]) => ({ value, label }))}
          value={mode}
          onChange={(value) => setMode((value as typeof mode) ?? mode)}
        />
      </div>
      <Textarea
        label={t.pem}
        description={t.pemHint}
        autosize
        minRows={4}
        maxRows={10}
        classNames={{ input: "mono" }}
        placeholder="-----BEGIN CERTIFICATE-----"
        value={pem}
        onChange={(event) => setPem(event.currentTarget.value)}
      />
      <FileDrop label={t.file} accept=".p12,.pfx" file={file} onFile={setFile} />
      {file && (
        <PasswordInput
          label={t.password}
          autoComplete="off"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
      )}
    </FormSheet>
  );
}
