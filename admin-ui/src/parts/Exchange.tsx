import { Button, SegmentedControl } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { useState } from "react";
import type { Schema } from "../api/client";
import { Code } from "../code/Code";
import { asCurl, pretty, queryLines } from "../format/pretty";
import { formatMicros } from "../format/time";
import { texts, useLanguage, useTexts } from "../language/language";
import { Id } from "./Copy";
import { Facts } from "./Page";
import { words } from "./words";

export type ExchangeView = Schema["ExchangeView"];

export const exchangeWords = texts(
  {
    in: "in",
    out: "out",
    request: "Request",
    answer: "Answer",
    headers: "Headers",
    query: "Parameters",
    pretty: "Pretty",
    raw: "Raw",
    curl: "Copy as curl",
    empty: "empty",
    peer: "Peer",
    took: "Took",
    requestId: "Request id",
    view: "How bodies are shown",
  },
  {
    in: "к нам",
    out: "от нас",
    request: "Запрос",
    answer: "Ответ",
    headers: "Заголовки",
    query: "Параметры",
    pretty: "Разобрано",
    raw: "Как есть",
    curl: "Копировать как curl",
    empty: "пусто",
    peer: "Собеседник",
    took: "Длилось",
    requestId: "Номер запроса",
    view: "Как показать тела",
  },
);

/** One request with its answer, masked as it is stored. */
export function Exchange({ of }: { of: ExchangeView }) {
  const t = useTexts(exchangeWords);
  const say = useTexts(words);
  const language = useLanguage();
  const clipboard = useClipboard({ timeout: 1500 });
  const [view, setView] = useState("pretty");
  const parameters = queryLines(of.url);
  const headers = Object.entries(of.request_headers as Record<string, unknown>)
    .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(", ") : String(value)}`)
    .join("\n");
  return (
    <div className="tg-exchange">
      <div className="tg-inline tg-exchange-bar">
        <SegmentedControl
          size="xs"
          aria-label={t.view}
          value={view}
          onChange={setView}
          data={[
            { value: "pretty", label: t.pretty },
            { value: "raw", label: t.raw },
          ]}
        />
        <Button size="compact-xs" variant="default" onClick={() => clipboard.copy(asCurl(of, location.origin))}>
          {clipboard.copied ? say.copied : t.curl}
        </Button>
      </div>
      <div className="tg-exchange-sides">
        <div className="tg-exchange-side">
          <p className="tg-side-title">{t.request}</p>
          <p className="mono tg-exchange-url">
            <b>{of.method}</b> {of.url}
          </p>
          {view === "pretty" && parameters && <Code text={parameters} kind="text" label={t.query} wrap />}
          <Body body={of.request_body} view={view} label={t.request} quiet={!!parameters || of.method === "GET"} />
          <details>
            <summary>{t.headers}</summary>
            <Code text={headers} kind="text" label={t.headers} wrap />
          </details>
        </div>
        <div className="tg-exchange-side">
          <p className="tg-side-title">{t.answer}</p>
          <p className="mono tg-exchange-url">
            <b className={of.status >= 400 ? "tg-red" : undefined}>{of.status || "—"}</b>
          </p>
          <Body body={of.response_body} view={view} label={t.answer} />
          <Facts
            of={[
              [t.took, formatMicros(of.duration_us, language)],
              [
                t.peer,
                <span key="p" className="mono">
                  {of.peer}
                </span>,
              ],
              [t.requestId, <Id key="r" value={of.request_id} />],
            ]}
          />
        </div>
      </div>
    </div>
  );
}

function Body({ body, view, label, quiet = false }: { body: string; view: string; label: string; quiet?: boolean }) {
  const t = useTexts(exchangeWords);
  if (!body) return quiet ? null : <p className="tg-quiet tg-small">{t.empty}</p>;
  const { text, kind } = view === "pretty" ? pretty(body) : { text: body, kind: "text" as const };
  return <Code text={text} kind={kind} label={label} wrap />;
}
