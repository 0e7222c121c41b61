import { Button, Skeleton, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import { localToUtc, utcToLocal } from "../../format/time";
import { useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Id } from "../../parts/Copy";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Once } from "../../parts/Once";
import { Facts, Page, Section } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { say, sayFailed } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { Deliveries } from "./Deliveries";
import { webhookWords } from "./words";

const HOUR_MS = 3_600_000;

export function Endpoint() {
  const t = useTexts(webhookWords);
  const w = useTexts(words);
  const merchant = useMerchantSlug();
  const { endpoint } = useParams({ strict: false }) as { endpoint: string };
  const path = { merchant, endpoint };
  const queries = useQueryClient();
  const navigate = useNavigate();
  const allowed = useMay("webhooks:write", merchant);
  const query = useQuery({
    queryKey: ["endpoint", merchant, endpoint],
    queryFn: () => answer(api.GET("/admin/v1/merchants/{merchant}/webhook-endpoints/{endpoint}", { params: { path } })),
  });
  const [asked, setAsked] = useState<"rotate" | "pause" | "remove" | "since">();
  const [secret, setSecret] = useState<string>();
  const [since, setSince] = useState(() => utcToLocal(new Date(Date.now() - 24 * HOUR_MS).toISOString()));
  const changed = () => {
    for (const key of ["endpoint", "endpoints", "deliveries"])
      void queries.invalidateQueries({ queryKey: [key, merchant] });
  };
  const patch = async (body: Schema["EndpointPatchBody"]) => {
    await answer(api.PATCH("/admin/v1/merchants/{merchant}/webhook-endpoints/{endpoint}", { params: { path }, body }));
    changed();
  };
  const test = async () => {
    try {
      await answer(api.POST("/admin/v1/merchants/{merchant}/webhook-endpoints/{endpoint}/test", { params: { path } }));
      say(t.tested);
      changed();
    } catch (failure) {
      sayFailed(failure);
    }
  };
  const rotate = async () => {
    const body = {};
    const made = await answer(
      api.POST("/admin/v1/merchants/{merchant}/webhook-endpoints/{endpoint}/rotate-secret", { params: { path }, body }),
    );
    setSecret(made.secret ?? undefined);
    changed();
  };
  const resend = async () => {
    const body = { since: localToUtc(since) ?? new Date().toISOString() };
    const made = await answer(
      api.POST("/admin/v1/merchants/{merchant}/webhook-endpoints/{endpoint}/resend", { params: { path }, body }),
    );
    say(t.resent(Number((made as unknown as { deliveries: number }).deliveries)));
    changed();
  };
  const remove = async () => {
    await answer(api.DELETE("/admin/v1/merchants/{merchant}/webhook-endpoints/{endpoint}", { params: { path } }));
    changed();
    void navigate({ to: `/m/${merchant}/webhooks` });
  };
  if (query.error && !query.data) {
    return (
      <Page title={t.title}>
        <Failed error={query.error} retry={() => void query.refetch()} />
      </Page>
    );
  }
  const data = query.data;
  if (!data) {
    return (
      <Page title={t.title}>
        <Skeleton height={300} />
      </Page>
    );
  }
  const active = data.status === "active";
  const close = () => setAsked(undefined);
  return (
    <Page
      title={
        <span className="tg-inline">
          {data.url} <Status of={data.status} />
        </span>
      }
      name={data.url}
      within={{ to: `/m/${merchant}/webhooks`, title: t.title }}
      action={
        <>
          <Button variant="default" onClick={() => setAsked("since")} disabled={!allowed}>
            {t.resendSince}
          </Button>
          <Button onClick={() => void test()} disabled={!allowed}>
            {t.test}
          </Button>
        </>
      }
    >
      {secret && <Once secret={secret} what={t.secretOf} />}
      <Facts
        of={[
          [w.id, <Id key="i" value={data.id} />],
          [t.format, t.formats[data.format as keyof typeof t.formats] ?? data.format],
          [
            t.types,
            data.event_types.length ? (
              <span key="t" className="mono">
                {data.event_types.join(", ")}
              </span>
            ) : (
              t.allTypes
            ),
          ],
          [t.inFlight, String(data.max_in_flight)],
          ...(data.previous_secret_until
            ? ([[t.rotatedUntil, <Moment key="p" at={data.previous_secret_until} />]] as [string, React.ReactNode][])
            : []),
          [w.created, <Moment key="c" at={data.created_at} />],
        ]}
      />
      <Section title={t.deliveries}>
        <Deliveries merchant={merchant} endpoint={endpoint} />
      </Section>
      <Section title={t.danger}>
        <div className="tg-inline">
          <Button variant="default" disabled={!allowed} onClick={() => setAsked("rotate")}>
            {t.rotate}
          </Button>
          <Button
            variant="default"
            disabled={!allowed}
            onClick={() => (active ? setAsked("pause") : void patch({ status: "active" }).catch(sayFailed))}
          >
            {active ? t.pause : t.resume}
          </Button>
          <Button variant="outline" color="red" disabled={!allowed} onClick={() => setAsked("remove")}>
            {t.remove}
          </Button>
        </div>
      </Section>
      <Confirm
        opened={asked === "rotate"}
        onClose={close}
        title={t.rotate}
        action={t.rotate}
        dangerous={false}
        run={rotate}
      >
        <p>{t.rotateText}</p>
      </Confirm>
      <Confirm
        opened={asked === "pause"}
        onClose={close}
        title={t.pause}
        action={t.pause}
        run={() => patch({ status: "paused" })}
      >
        <p>{t.pauseText}</p>
      </Confirm>
      <Confirm
        opened={asked === "since"}
        onClose={close}
        title={t.resendSince}
        action={t.again}
        dangerous={false}
        run={resend}
      >
        <p>{t.resendSinceText}</p>
        <TextInput
          type="datetime-local"
          label={t.since}
          required
          value={since}
          onChange={(event) => setSince(event.currentTarget.value)}
        />
      </Confirm>
      <Confirm
        opened={asked === "remove"}
        onClose={close}
        title={t.remove}
        typed={data.url}
        action={t.remove}
        run={remove}
      >
        <p>{t.removeText}</p>
      </Confirm>
    </Page>
  );
}
