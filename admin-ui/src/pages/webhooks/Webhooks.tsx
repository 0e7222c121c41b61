import { Button, NumberInput, Select, TagsInput, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlus } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import { useTexts } from "../../language/language";
import { Empty } from "../../parts/Empty";
import { Moment } from "../../parts/Moment";
import { Page, Section } from "../../parts/Page";
import { type Column, Rows } from "../../parts/Rows";
import { FormSheet, SecretSheet } from "../../parts/Sheet";
import { Status } from "../../parts/Status";
import { wholeList } from "../../parts/whole";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { Deliveries } from "./Deliveries";
import { webhookWords } from "./words";

type EndpointView = Schema["EndpointView"];

export function useEndpoints(merchant: string) {
  return useQuery({
    queryKey: ["endpoints", merchant],
    queryFn: () =>
      answer(api.GET("/admin/v1/merchants/{merchant}/webhook-endpoints", { params: { path: { merchant } } })),
  });
}

export function Webhooks() {
  const t = useTexts(webhookWords);
  const w = useTexts(words);
  const merchant = useMerchantSlug();
  const endpoints = useEndpoints(merchant);
  const allowed = useMay("webhooks:write", merchant);
  const [adding, setAdding] = useDisclosure();
  const columns: Column<EndpointView>[] = [
    {
      key: "url",
      title: t.url,
      cell: ({ id, url }) => (
        <Link to={`/m/${merchant}/webhooks/${id}`} className="tg-url">
          {url}
        </Link>
      ),
    },
    { key: "status", title: w.status, narrow: "beside", cell: ({ status }) => <Status of={status} /> },
    {
      key: "types",
      title: t.types,
      cell: ({ event_types }) =>
        event_types.length ? <span className="mono">{event_types.join(", ")}</span> : t.allTypes,
    },
    {
      key: "format",
      title: t.format,
      narrow: "hidden",
      cell: ({ format }) => t.formats[format as keyof typeof t.formats] ?? format,
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
    <Page title={t.title} action={(endpoints.data?.data.length ?? 0) > 0 && add}>
      <Rows
        label={t.endpoints}
        columns={columns}
        list={wholeList(endpoints)}
        id={({ id }) => id}
        to={({ id }) => `/m/${merchant}/webhooks/${id}`}
        empty={
          <Empty title={t.empty} action={add}>
            {t.emptyText}
          </Empty>
        }
      />
      {endpoints.data && endpoints.data.data.length > 0 && (
        <Section title={t.deliveries}>
          <Deliveries merchant={merchant} />
        </Section>
      )}
      {adding && <NewEndpoint merchant={merchant} onClose={setAdding.close} />}
    </Page>
  );
}

export function NewEndpoint({ merchant, onClose }: { merchant: string; onClose: () => void }) {
  const t = useTexts(webhookWords);
  const w = useTexts(words);
  const queries = useQueryClient();
  const [url, setUrl] = useState("");
  const [format, setFormat] = useState("standard");
  const [zone, setZone] = useState("");
  const [types, setTypes] = useState<string[]>([]);
  const [inFlight, setInFlight] = useState<number | string>(8);
  const [made, setMade] = useState<EndpointView>();
  const run = async () => {
    const body = {
      url,
      format,
      event_types: types,
      max_in_flight: Number(inFlight),
      ...(zone ? { time_zone: zone } : {}),
    };
    setMade(
      await answer(
        api.POST("/admin/v1/merchants/{merchant}/webhook-endpoints", { params: { path: { merchant } }, body }),
      ),
    );
    void queries.invalidateQueries({ queryKey: ["endpoints", merchant] });
  };
  if (made) {
    return (
      <SecretSheet title={t.add} secret={made.secret} what={t.secretOf} onClose={onClose}>
        <p className="tg-quiet">{t.verify}</p>
      </SecretSheet>
    );
  }
  return (
    <FormSheet title={t.add} action={w.create} onClose={onClose} run={run} size="lg">
      <TextInput
        label={t.url}
        type="url"
        required
        placeholder="https://merchant.example/webhooks"
        value={url}
        onChange={(event) => setUrl(event.currentTarget.value)}
        data-autofocus
      />
      <Select
        label={t.format}
        allowDeselect={false}
        data={Object.entries(t.formats).map(([value, label]) => ({ value, label }))}
        value={format}
        onChange={(value) => setFormat(value ?? format)}
      />
      {format === "container" && (
        <TextInput
          label={t.zone}
          placeholder="Europe/Moscow"
          value={zone}
          onChange={(event) => setZone(event.currentTarget.value)}
        />
      )}
      <TagsInput
        label={t.types}
        description={t.typesHint}
        data={[
          "payment.succeeded",
          "payment.declined",
          "payment.failed",
          "payment.refunded",
          "payment.expired",
          "rules.failing",
          "rules.canary_withdrawn",
        ]}
        value={types}
        onChange={setTypes}
      />
      <NumberInput label={t.inFlight} min={1} max={64} value={inFlight} onChange={setInFlight} />
    </FormSheet>
  );
}
