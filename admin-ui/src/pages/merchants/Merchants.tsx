import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { answer, api, type Schema } from "../../api/client";
import { useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { useCursorList } from "../../parts/list";
import { Moment } from "../../parts/Moment";
import { Page } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { Status } from "../../parts/Status";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { NameMerchant } from "./NameMerchant";
import { merchantWords } from "./words";

type MerchantView = Schema["MerchantView"];

export function Merchants() {
  const t = useTexts(merchantWords);
  const w = useTexts(words);
  const allowed = useMay("merchants:write");
  const [adding, setAdding] = useDisclosure();
  const list = useCursorList<MerchantView>(["merchants", "list"], (cursor) =>
    answer(api.GET("/admin/v1/merchants", { params: { query: { limit: 50, ...(cursor ? { cursor } : {}) } } })),
  );
  const columns: Column<MerchantView>[] = [
    { key: "name", title: t.name, cell: ({ slug, name }) => <Link to={`/m/${slug}/overview`}>{name}</Link> },
    { key: "slug", title: t.slug, cell: ({ slug }) => <span className="mono">{slug}</span> },
    { key: "status", title: w.status, narrow: "beside", cell: ({ status }) => <Status of={status} /> },
    {
      key: "rules",
      title: t.rules,
      cell: ({ published_rules }) =>
        published_rules ? `r${published_rules}` : <span className="tg-quiet">{t.noRules}</span>,
    },
    {
      key: "created",
      title: w.created,
      narrow: "hidden",
      cell: ({ created_at }) => <Moment at={created_at} as="day" />,
    },
  ];
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={setAdding.open} disabled={!allowed}>
      {t.add}
    </Button>
  );
  return (
    <Page title={t.title} action={(list.rows?.length ?? 0) > 0 && add}>
      <Rows
        label={t.title}
        columns={columns}
        list={list}
        id={({ id }) => id}
        to={({ slug }) => `/m/${slug}/overview`}
        empty={
          <Empty title={t.empty} action={add}>
            {t.emptyText}
          </Empty>
        }
      />
      {adding && (
        <NameMerchant
          title={t.add}
          action={w.create}
          make={(body) => answer(api.POST("/admin/v1/merchants", { body }))}
          onClose={setAdding.close}
        />
      )}
    </Page>
  );
}
