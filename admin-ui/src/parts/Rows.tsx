import { Button, Skeleton } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { formatAgo } from "../format/time";
import { useLanguage, useTexts } from "../language/language";
import { Failed } from "./Failed";
import { useKeys } from "./keys";
import type { CursorList } from "./list";
import { words } from "./words";

export interface Column<T> {
  key: string;
  title: string;
  cell: (row: T) => React.ReactNode;
  align?: "right";
  /** On a narrow screen, where rows are a list: beside the first cell, without its name, or not at all. */
  narrow?: "beside" | "nameless" | "hidden";
  className?: string;
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  list: CursorList<T>;
  id: (row: T) => string;
  /** Where a row leads; its first cell should be a link there, too. */
  to?: (row: T) => string;
  onOpen?: (row: T) => void;
  empty: React.ReactNode;
  /** What an opened row shows below itself. */
  below?: (row: T) => React.ReactNode;
}

const SKELETON_ROWS = 8;
/** A shorter list is seen to its end; there is nothing to say about it. */
const LONG = 25;

export function Rows<T>({ label, columns, list, id, to, onOpen, empty, below }: Props<T>) {
  const t = useTexts(words);
  const language = useLanguage();
  const navigate = useNavigate();
  const [at, setAt] = useState(-1);
  const body = useRef<HTMLTableSectionElement>(null);
  const rows = list.rows;
  const open = (row: T | undefined) => {
    if (row === undefined) return;
    if (to) void navigate({ to: to(row) });
    else onOpen?.(row);
  };
  const move = (step: number) => setAt((now) => Math.min(Math.max(now + step, 0), (rows?.length ?? 1) - 1));
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    // biome-ignore lint/correctness/noComponentHookFactories: Enter is a key
    Enter: (event) => {
      if (event.target === document.body) open(rows?.[at]);
    },
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the mark moves with `at`
  useEffect(() => {
    body.current?.querySelector("[data-at]")?.scrollIntoView({ block: "nearest" });
  }, [at]);

  if (list.error !== undefined && !rows) return <Failed error={list.error} retry={list.retry} />;
  if (rows?.length === 0) {
    return (
      <>
        {list.newer !== 0 && <Newer list={list} />}
        {empty}
      </>
    );
  }
  return (
    <div className="tg-rows-frame">
      {list.newer !== 0 && <Newer list={list} />}
      <div className="tg-rows">
        <div className="tg-rows-scroll">
          <table aria-label={label}>
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column.key} scope="col" className={column.align === "right" ? "tg-right" : undefined}>
                    {column.title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody ref={body}>
              {rows === undefined
                ? Array.from({ length: SKELETON_ROWS }, (_, row) => (
                    <tr key={row}>
                      {columns.map((column) => (
                        <td key={column.key}>
                          <Skeleton height={12} my={5} width={`${50 + ((row * 7 + column.key.length * 13) % 45)}%`} />
                        </td>
                      ))}
                    </tr>
                  ))
                : rows.map((row, index) => (
                    <Row
                      key={id(row)}
                      row={row}
                      columns={columns}
                      selected={index === at}
                      open={to || onOpen ? () => open(row) : undefined}
                      below={below?.(row)}
                    />
                  ))}
            </tbody>
          </table>
        </div>
        {rows && (list.more || list.error !== undefined || rows.length >= LONG) && (
          <div className="tg-rows-foot">
            {list.more ? (
              <Button variant="default" size="xs" onClick={list.more} loading={list.loadingMore}>
                {t.more}
              </Button>
            ) : (
              <span>{t.end}</span>
            )}
            {list.error !== undefined && (
              <span role="status">
                {t.away}. {t.updated(formatAgo(new Date(list.updatedAt).toISOString(), language))}
              </span>
            )}
          </div>
        )}
      </div>
    </div>
  );
}

interface RowProps<T> {
  row: T;
  columns: Column<T>[];
  selected: boolean;
  open: (() => void) | undefined;
  below: React.ReactNode;
}

function Row<T>({ row, columns, selected, open, below }: RowProps<T>) {
  // By keyboard the row's link and j, k, Enter do the same.
  const click = (event: React.MouseEvent) => {
    // Links and buttons within do their own; a text that is being marked is not a click.
    if ((event.target as HTMLElement).closest("a, button, input, label") || window.getSelection()?.toString()) return;
    open?.();
  };
  return (
    <>
      <tr data-at={selected || undefined} className={open ? "tg-opens" : undefined} onClick={open ? click : undefined}>
        {columns.map((column) => (
          <td
            key={column.key}
            data-label={column.title}
            className={
              [
                column.align === "right" ? "tg-right" : "",
                column.narrow ? `tg-narrow-${column.narrow}` : "",
                column.className ?? "",
              ]
                .join(" ")
                .trim() || undefined
            }
          >
            {column.cell(row)}
          </td>
        ))}
      </tr>
      {below && (
        <tr className="tg-below">
          <td colSpan={columns.length}>{below}</td>
        </tr>
      )}
    </>
  );
}

function Newer<T>({ list }: { list: CursorList<T> }) {
  const t = useTexts(words);
  const count = list.newer < 0 ? "50+" : String(list.newer);
  return (
    <div className="tg-newer">
      <Button size="compact-sm" variant="default" onClick={list.retry}>
        {t.newer(count)}
      </Button>
    </div>
  );
}
