import { Button, Select } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconUpload } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api, ask, type Schema } from "../../api/client";
import { useConnections, useMerchantSlug } from "../../api/merchants";
import type { MoneyText } from "../../api/shapes";
import { formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { FileDrop } from "../../parts/FileDrop";
import { type PageOf, useCursorList } from "../../parts/list";
import { Moment } from "../../parts/Moment";
import { Money } from "../../parts/Money";
import { Page } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { FormSheet } from "../../parts/Sheet";
import { Status } from "../../parts/Status";
import { say } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { reconcileWords } from "./words";

type SettlementView = Schema["SettlementView"];

export function differing(counts: Schema["CountsView"]): number {
  return counts.ours_only + counts.theirs_only + counts.amount_mismatch + counts.account_mismatch;
}

export function Reconcile() {
  const t = useTexts(reconcileWords);
  const language = useLanguage();
  const merchant = useMerchantSlug();
  const allowed = useMay("settlements:write", merchant);
  const [uploading, setUploading] = useDisclosure();
  const list = useCursorList<SettlementView>(["settlements", merchant], async (cursor) => {
    const query = { limit: 50, ...(cursor ? { cursor } : {}) };
    const page = await answer(
      api.GET("/admin/v1/merchants/{merchant}/settlements", { params: { path: { merchant }, query } }),
    );
    return page as unknown as PageOf<SettlementView>;
  });
  const columns: Column<SettlementView>[] = [
    {
      key: "file",
      title: t.name,
      cell: (row) => <Link to={`/m/${merchant}/reconcile/${row.id}`}>{row.file_name}</Link>,
    },
    {
      key: "state",
      title: t.differing,
      cell: ({ counts }) =>
        differing(counts) === 0 ? (
          <Status of="matched" label={t.allMatch} />
        ) : (
          <Status of="amount_mismatch" label={formatCount(differing(counts), language)} />
        ),
    },
    { key: "matched", title: t.matched, align: "right", cell: ({ counts }) => formatCount(counts.matched, language) },
    {
      key: "total",
      title: t.total,
      align: "right",
      cell: (row) => <Money value={row.total as unknown as MoneyText} />,
    },
    {
      key: "period",
      title: t.period,
      narrow: "hidden",
      cell: (row) => (
        <>
          <Moment at={row.period_from} /> – <Moment at={row.period_until} />
        </>
      ),
    },
    { key: "imported", title: t.imported, cell: (row) => <Moment at={row.created_at} /> },
  ];
  const upload = (
    <Button leftSection={<IconUpload size={16} />} onClick={setUploading.open} disabled={!allowed}>
      {t.upload}
    </Button>
  );
  return (
    <Page title={t.title} intro={t.intro} action={(list.rows?.length ?? 0) > 0 && upload}>
      <Rows
        label={t.title}
        columns={columns}
        list={list}
        id={({ id }) => id}
        to={({ id }) => `/m/${merchant}/reconcile/${id}`}
        empty={
          <Empty title={t.empty} action={upload}>
            {t.emptyText}
          </Empty>
        }
      />
      {uploading && <Upload merchant={merchant} onClose={setUploading.close} />}
    </Page>
  );
}

function Upload({ merchant, onClose }: { merchant: string; onClose: () => void }) {
  const t = useTexts(reconcileWords);
  const w = useTexts(words);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const connections = useConnections(merchant);
  const [connection, setConnection] = useState<string | null>(null);
  const [file, setFile] = useState<File>();
  const run = async () => {
    if (!file || !connection) return;
    const path = `/admin/v1/merchants/${merchant}/connections/${connection}/settlements?file_name=${encodeURIComponent(file.name)}`;
    const made = await ask<SettlementView>("POST", path, file, { "content-type": "application/octet-stream" });
    if (made.repeated) say(t.repeated);
    void queries.invalidateQueries({ queryKey: ["settlements", merchant] });
    void navigate({ to: `/m/${merchant}/reconcile/${made.id}` });
  };
  return (
    <FormSheet title={t.upload} action={t.upload} onClose={onClose} run={run} ready={!!file && !!connection}>
      <Select
        label={w.connection}
        required
        data={connections.data?.data.map(({ slug }) => slug) ?? []}
        value={connection}
        onChange={setConnection}
        data-autofocus
      />
      <FileDrop label={t.file} file={file} onFile={setFile} />
      <p className="tg-quiet tg-small">{t.uploadHint}</p>
    </FormSheet>
  );
}
