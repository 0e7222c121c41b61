import { Button, Popover, Progress } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconDownload } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schema } from "../api/client";
import { formatBytes, formatCount } from "../format/size";
import { texts, useLanguage, useTexts } from "../language/language";
import { useMay } from "../session/permissions";
import { sessionFetch } from "../session/session";
import { Failed } from "./Failed";
import { Moment } from "./Moment";
import { Status } from "./Status";
import { saveAs } from "./saveAs";
import { sayFailed } from "./Toasts";
import { words } from "./words";

type Export = Schema["ExportView"];
const WATCH_MS = 1_000;
const SHOWN = 6;

const exportWords = texts(
  {
    export: "Export",
    make: "Make a CSV file",
    filtered: "Of what the page shows now, all of it. It is made in the background; you may leave the page.",
    whole: "Of everything. It is made in the background; you may leave the page.",
    rows: (n: string) => `${n} rows`,
    nothing: "No files yet. A file is kept for a day.",
    files: "Files",
  },
  {
    export: "Выгрузка",
    make: "Сделать файл CSV",
    filtered: "Всё, что подходит под фильтры страницы. Файл делается в фоне, страницу можно закрыть.",
    whole: "Всё целиком. Файл делается в фоне, страницу можно закрыть.",
    rows: (n: string) => `строк: ${n}`,
    nothing: "Файлов пока нет. Файл хранится сутки.",
    files: "Файлы",
  },
);

interface Props {
  merchant: string;
  kind: Schema["ExportKind"];
  filter?: Schema["ExportRequest"];
}

/** Orders a file of what the page shows, and hands out those that are there. */
export function Exports({ merchant, kind, filter }: Props) {
  const t = useTexts(exportWords);
  const allowed = useMay("exports:write", merchant);
  const [opened, { toggle, close }] = useDisclosure();
  if (!allowed) return null;
  return (
    <Popover opened={opened} onChange={close} position="bottom-end" width={360} trapFocus>
      <Popover.Target>
        <Button variant="default" leftSection={<IconDownload size={16} />} onClick={toggle} aria-expanded={opened}>
          {t.export}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={t.export}>
        {opened && <Files merchant={merchant} kind={kind} filter={filter} />}
      </Popover.Dropdown>
    </Popover>
  );
}

function Files({ merchant, kind, filter }: Props) {
  const t = useTexts(exportWords);
  const queries = useQueryClient();
  const path = { merchant };
  const key = ["exports", merchant];
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const files = useQuery({
    queryKey: key,
    queryFn: () =>
      answer(api.GET("/admin/v1/merchants/{merchant}/exports", { params: { path, query: { limit: 20 } } })),
    refetchInterval: WATCH_MS,
  });
  const make = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const body = { kind, ...(filter ? { filter } : {}) };
      await answer(api.POST("/admin/v1/merchants/{merchant}/exports", { params: { path }, body }));
      await queries.invalidateQueries({ queryKey: key });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const mine = files.data?.data.filter((file) => file.kind === kind && file.status !== "expired").slice(0, SHOWN);
  return (
    <div className="tg-stack">
      <p className="tg-quiet tg-small">{filter && Object.keys(filter).length > 0 ? t.filtered : t.whole}</p>
      <div>
        <Button size="xs" onClick={() => void make()} loading={busy}>
          {t.make}
        </Button>
      </div>
      {error !== undefined && <Failed error={error} />}
      {mine?.length === 0 && <p className="tg-quiet tg-small">{t.nothing}</p>}
      {mine && mine.length > 0 && (
        <ul className="tg-files" aria-label={t.files}>
          {mine.map((file) => (
            <File key={file.id} file={file} />
          ))}
        </ul>
      )}
    </div>
  );
}

function File({ file }: { file: Export }) {
  const t = useTexts(exportWords);
  const w = useTexts(words);
  const language = useLanguage();
  const rows = t.rows(formatCount(file.rows, language));
  const going = file.status === "waiting" || file.status === "running";
  return (
    <li>
      <div className="tg-inline tg-spread">
        <span className="tg-inline">
          <Status of={file.status} /> <Moment at={file.created_at} as="ago" />
        </span>
        {file.file && (
          <Button size="compact-xs" variant="default" onClick={() => void save(file).catch(sayFailed)}>
            {w.download}
          </Button>
        )}
      </div>
      <div className="tg-quiet tg-small" role="status">
        {file.error ?? `${rows}${file.bytes ? ` · ${formatBytes(file.bytes, language)}` : ""}`}
      </div>
      {going && <Progress value={100} size="xs" animated aria-label={rows} />}
    </li>
  );
}

/** The page holds the access token, so the browser cannot fetch the file by itself. */
async function save(file: Export): Promise<void> {
  const response = await sessionFetch(new Request(file.file ?? ""));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1];
  saveAs(await response.blob(), name ?? `${file.kind}.csv`);
}
