import { Button, Progress, Skeleton, Textarea, TextInput } from "@mantine/core";
import { useDebouncedValue, useDisclosure } from "@mantine/hooks";
import { IconDownload, IconPlus, IconSearch, IconUpload } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { answer, api, ask, type Schema } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import { formatBytes, formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Empty } from "../../parts/Empty";
import { Failed } from "../../parts/Failed";
import { FileDrop } from "../../parts/FileDrop";
import { useCursorList } from "../../parts/list";
import { Moment } from "../../parts/Moment";
import { Facts, Page, Section } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { FormSheet } from "../../parts/Sheet";
import { Status } from "../../parts/Status";
import { saveAs } from "../../parts/saveAs";
import { say, sayFailed } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { listWords } from "./words";

type Entry = Schema["EntryView"];
type Import = Schema["ImportView"];
const TYPING_MS = 200;
const WATCH_MS = 500;

export function List() {
  const t = useTexts(listWords);
  const w = useTexts(words);
  const language = useLanguage();
  const merchant = useMerchantSlug();
  const { list: name } = useParams({ strict: false }) as { list: string };
  const path = { merchant, list: name };
  const queries = useQueryClient();
  const navigate = useNavigate();
  const allowed = useMay("lists:write", merchant);
  const [adding, setAdding] = useDisclosure();
  const [uploading, setUploading] = useDisclosure();
  const [removing, setRemoving] = useDisclosure();
  const [text, setText] = useState("");
  const [prefix] = useDebouncedValue(text.trim(), TYPING_MS);
  const info = useQuery({
    queryKey: ["list", merchant, name],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/lists/{list}", { params: { path } })),
  });
  const entries = useCursorList<Entry>(["list-entries", merchant, name, prefix], (cursor) => {
    const query = { limit: 100, ...(prefix ? { prefix } : {}), ...(cursor ? { cursor } : {}) };
    return answer(api.GET("/admin/v1/merchants/{merchant}/lists/{list}/entries", { params: { path, query } })) as never;
  });
  const changed = () => {
    for (const key of ["list", "lists", "list-entries"]) void queries.invalidateQueries({ queryKey: [key, merchant] });
  };
  const remove = async ({ key, value }: Entry) => {
    const of = { params: { path: { ...path, key } } };
    try {
      await answer(api.DELETE("/admin/v1/merchants/{merchant}/lists/{list}/entries/{key}", of));
      changed();
      say(t.removed(key), "green", async () => {
        const body = { value: value as never };
        await answer(api.PUT("/admin/v1/merchants/{merchant}/lists/{list}/entries/{key}", { ...of, body }));
        changed();
      });
    } catch (failure) {
      sayFailed(failure);
    }
  };
  const download = async () => {
    try {
      const content = await ask<string>("GET", `/admin/v1/merchants/${merchant}/lists/${name}/export?format=jsonl`);
      saveAs(new Blob([content]), `${name}.jsonl`);
    } catch (failure) {
      sayFailed(failure);
    }
  };
  const columns: Column<Entry>[] = [
    { key: "key", title: t.key, cell: (entry) => <span className="mono">{entry.key}</span> },
    {
      key: "value",
      title: t.value,
      cell: (entry) => <span className="mono tg-url">{entry.value === null ? "" : JSON.stringify(entry.value)}</span>,
    },
    {
      key: "remove",
      title: w.actions,
      narrow: "nameless",
      align: "right",
      cell: (entry) => (
        <Button size="compact-xs" variant="subtle" color="gray" disabled={!allowed} onClick={() => void remove(entry)}>
          {w.remove}
        </Button>
      ),
    },
  ];
  if (info.error) {
    return (
      <Page title={name}>
        <Failed error={info.error} retry={() => void info.refetch()} />
      </Page>
    );
  }
  return (
    <Page
      title={name}
      within={{ to: `/m/${merchant}/lists`, title: t.title }}
      action={
        <>
          <Button variant="default" leftSection={<IconDownload size={16} />} onClick={() => void download()}>
            {t.export}
          </Button>
          <Button
            variant="default"
            leftSection={<IconUpload size={16} />}
            onClick={setUploading.open}
            disabled={!allowed}
          >
            {t.upload}
          </Button>
          <Button leftSection={<IconPlus size={16} />} onClick={setAdding.open} disabled={!allowed}>
            {t.addKey}
          </Button>
        </>
      }
      filters={
        <TextInput
          leftSection={<IconSearch size={15} />}
          aria-label={t.find}
          placeholder={t.find}
          w={280}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      }
    >
      <Rows
        label={t.entries}
        columns={columns}
        list={entries}
        id={({ key }) => key}
        empty={<Empty title={t.noEntries}>{t.noEntriesText}</Empty>}
      />
      <div className="tg-section">
        {info.data ? (
          <Facts
            of={[
              [t.entries, formatCount(info.data.entries, language)],
              [t.size, formatBytes(info.data.bytes, language)],
              [w.changed, <Moment key="m" at={info.data.updated_at} />],
            ]}
          />
        ) : (
          <Skeleton height={80} />
        )}
      </div>
      <Imports merchant={merchant} list={name} onDone={changed} />
      <Section title={t.danger}>
        <Button variant="outline" color="red" disabled={!allowed} onClick={setRemoving.open}>
          {t.remove}
        </Button>
      </Section>
      {adding && <AddKey merchant={merchant} list={name} onClose={setAdding.close} onDone={changed} />}
      {uploading && <Upload merchant={merchant} list={name} onClose={setUploading.close} />}
      <Confirm
        opened={removing}
        onClose={setRemoving.close}
        title={t.remove}
        typed={name}
        action={t.remove}
        run={async () => {
          await answer(api.DELETE("/admin/v1/merchants/{merchant}/lists/{list}", { params: { path } }));
          changed();
          void navigate({ to: `/m/${merchant}/lists` });
        }}
      >
        <p>{t.removeText}</p>
      </Confirm>
    </Page>
  );
}

interface PartProps {
  merchant: string;
  list: string;
  onClose: () => void;
}

function AddKey({ merchant, list, onClose, onDone }: PartProps & { onDone: () => void }) {
  const t = useTexts(listWords);
  const w = useTexts(words);
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const [wrong, setWrong] = useState(false);
  const run = async () => {
    const read = readJson(value);
    setWrong(read === undefined);
    if (read === undefined) return;
    const path = { merchant, list, key };
    await answer(
      api.PUT("/admin/v1/merchants/{merchant}/lists/{list}/entries/{key}", {
        params: { path },
        body: { value: read as never },
      }),
    );
    onDone();
    onClose();
  };
  return (
    <FormSheet title={t.addKey} action={w.add} onClose={onClose} run={run}>
      <TextInput
        label={t.key}
        required
        classNames={{ input: "mono" }}
        value={key}
        onChange={(event) => setKey(event.currentTarget.value)}
        data-autofocus
      />
      <Textarea
        label={t.value}
        description={t.valueHint}
        autosize
        classNames={{ input: "mono" }}
        value={value}
        error={wrong && t.notJson}
        onChange={(event) => setValue(event.currentTarget.value)}
      />
    </FormSheet>
  );
}

/** Undefined when it is no JSON; nothing at all is null. */
function readJson(text: string): unknown {
  try {
    return text.trim() ? JSON.parse(text) : null;
  } catch {
    return undefined;
  }
}

function Upload({ merchant, list, onClose }: PartProps) {
  const t = useTexts(listWords);
  const queries = useQueryClient();
  const [file, setFile] = useState<File>();
  const run = async () => {
    if (!file) return;
    const format = /\.(jsonl|ndjson|json)$/i.test(file.name) ? "jsonl" : "csv";
    const path = `/admin/v1/merchants/${merchant}/lists/${list}/imports?format=${format}`;
    await ask("POST", path, file, { "content-type": "application/octet-stream" });
    void queries.invalidateQueries({ queryKey: ["imports", merchant, list] });
    onClose();
  };
  return (
    <FormSheet title={t.upload} action={t.upload} onClose={onClose} run={run} ready={!!file}>
      <FileDrop label={t.drop} accept=".csv,.jsonl,.ndjson,.txt" file={file} onFile={setFile} />
      <p className="tg-quiet tg-small">{t.uploadHint}</p>
    </FormSheet>
  );
}

function Imports({ merchant, list, onDone }: { merchant: string; list: string; onDone: () => void }) {
  const t = useTexts(listWords);
  const imports = useQuery({
    queryKey: ["imports", merchant, list],
    queryFn: () =>
      answer(
        api.GET("/admin/v1/merchants/{merchant}/lists/{list}/imports", {
          params: { path: { merchant, list }, query: { limit: 5 } },
        }),
      ),
    refetchInterval: (query) => (query.state.data?.data.some(({ status }) => status === "active") ? WATCH_MS : false),
  });
  const done = imports.data?.data[0]?.status === "done" ? imports.data.data[0].id : undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: only the end of an import changes the list
  useEffect(() => {
    if (done) onDone();
  }, [done]);
  if (!imports.data?.data.length) return null;
  return (
    <Section title={t.imports}>
      <ul className="tg-attempts">
        {imports.data.data.map((one) => (
          <li key={one.id}>
            <ImportLine of={one} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

function ImportLine({ of }: { of: Import }) {
  const t = useTexts(listWords);
  const language = useLanguage();
  const read = of.bytes_total ? (100 * of.bytes_read) / of.bytes_total : 0;
  return (
    <div className="tg-stack">
      <div className="tg-inline">
        <Status of={of.status === "active" ? "running" : of.status} />
        <span className="mono">{of.format}</span>
        <span className="tg-quiet">
          {of.status === "done" && t.importDone(of.rows_stored)}
          {of.status === "failed" && t.importFailed}
          {of.status === "active" &&
            (read < 100
              ? t.progressRead(`${formatBytes(of.bytes_read, language)} / ${formatBytes(of.bytes_total, language)}`)
              : t.progressStored(of.rows_stored))}
          {of.rows_repeated > 0 && ` · ${t.importRepeated(of.rows_repeated)}`}
        </span>
        <span className="tg-quiet">
          <Moment at={of.created_at} />
        </span>
      </div>
      {of.status === "active" && <Progress value={read} size="sm" aria-label={t.upload} />}
      {of.errors.map((error) => (
        <p key={`${error.line} ${error.message}`} className="tg-red tg-small">
          {error.line ? `${t.line(error.line)}: ` : ""}
          {error.message}
        </p>
      ))}
    </div>
  );
}
