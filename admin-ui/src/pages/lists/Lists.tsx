import { Button, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlus } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import { formatBytes, formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { Moment } from "../../parts/Moment";
import { Page } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { FormSheet } from "../../parts/Sheet";
import { wholeList } from "../../parts/whole";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { listWords } from "./words";

export function Lists() {
  const t = useTexts(listWords);
  const w = useTexts(words);
  const language = useLanguage();
  const merchant = useMerchantSlug();
  const allowed = useMay("lists:write", merchant);
  const lists = useQuery({
    queryKey: ["lists", merchant],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/lists", { params: { path: { merchant } } })),
  });
  const quota = useQuery({
    queryKey: ["list-quota", merchant],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/list-quota", { params: { path: { merchant } } })),
  });
  const [adding, setAdding] = useDisclosure();
  const columns: Column<Schema["ListView"]>[] = [
    { key: "name", title: t.name, cell: ({ name }) => <Link to={`/m/${merchant}/lists/${name}`}>{name}</Link> },
    { key: "entries", title: t.entries, align: "right", cell: ({ entries }) => formatCount(entries, language) },
    { key: "bytes", title: t.size, align: "right", cell: ({ bytes }) => formatBytes(bytes, language) },
    { key: "updated", title: w.changed, cell: ({ updated_at }) => <Moment at={updated_at} /> },
  ];
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={setAdding.open} disabled={!allowed}>
      {t.add}
    </Button>
  );
  const used = lists.data?.data.reduce((sum, { entries }) => sum + entries, 0);
  return (
    <Page title={t.title} intro={t.intro} action={(lists.data?.data.length ?? 0) > 0 && add}>
      <div className="tg-stack">
        <Rows
          label={t.title}
          columns={columns}
          list={wholeList(lists)}
          id={({ name }) => name}
          to={({ name }) => `/m/${merchant}/lists/${name}`}
          empty={
            <Empty title={t.empty} action={add}>
              {t.emptyText}
            </Empty>
          }
        />
        {quota.data && used !== undefined && used > 0 && (
          <p className="tg-quiet tg-small">
            {t.quotaOf(formatCount(used, language), formatCount(quota.data.entries_max, language))}
          </p>
        )}
      </div>
      {adding && <NewList merchant={merchant} onClose={setAdding.close} />}
    </Page>
  );
}

function NewList({ merchant, onClose }: { merchant: string; onClose: () => void }) {
  const t = useTexts(listWords);
  const w = useTexts(words);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [list, setList] = useState("");
  const run = async () => {
    await answer(api.PUT("/admin/v1/merchants/{merchant}/lists/{list}", { params: { path: { merchant, list } } }));
    void queries.invalidateQueries({ queryKey: ["lists", merchant] });
    void navigate({ to: `/m/${merchant}/lists/${list}` });
  };
  return (
    <FormSheet title={t.add} action={w.create} onClose={onClose} run={run}>
      <TextInput
        label={t.name}
        description={t.nameHint}
        required
        value={list}
        onChange={(event) => setList(event.currentTarget.value)}
        data-autofocus
      />
    </FormSheet>
  );
}
