import { Button, Skeleton, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useMerchant, useMerchantSlug } from "../../api/merchants";
import { useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Id } from "../../parts/Copy";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Facts, Page, Section } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { say, sayFailed } from "../../parts/Toasts";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { Checklist } from "./Checklist";
import "./merchants.css";
import { NameMerchant } from "./NameMerchant";
import { merchantWords } from "./words";

export function Merchant() {
  const t = useTexts(merchantWords);
  const w = useTexts(words);
  const slug = useMerchantSlug();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const merchant = useMerchant();
  const allowed = useMay("merchants:write");
  const mayRemove = useMay("merchants:delete");
  const [asked, setAsked] = useState<"suspend" | "remove" | "clone">();
  const path = { merchant: slug };
  const patch = async (body: Schema["MerchantPatchBody"]) => {
    queries.setQueryData(
      ["merchant", slug],
      await answer(api.PATCH("/admin/v1/merchants/{merchant}", { params: { path }, body })),
    );
    void queries.invalidateQueries({ queryKey: ["merchants"] });
    say(w.saved);
  };
  if (merchant.error) {
    return (
      <Page title={slug}>
        <Failed error={merchant.error} retry={() => void merchant.refetch()} />
      </Page>
    );
  }
  const data = merchant.data;
  const active = data?.status === "active";
  return (
    <Page
      title={
        <span className="tg-inline">
          {data?.name ?? slug} {data && <Status of={data.status} />}
        </span>
      }
      name={data?.name ?? slug}
      action={
        allowed && (
          <Button variant="default" onClick={() => setAsked("clone")}>
            {t.clone}
          </Button>
        )
      }
    >
      <Checklist merchant={slug} />
      <Section title={t.settings}>
        {data ? (
          <>
            <Rename name={data.name} allowed={allowed} save={(name) => patch({ name })} />
            <Facts
              of={[
                [t.slug, <Id key="s" value={data.slug} />],
                [w.id, <Id key="i" value={data.id} />],
                [t.rules, data.published_rules ? `r${data.published_rules}` : t.noRules],
                [w.created, <Moment key="c" at={data.created_at} />],
              ]}
            />
          </>
        ) : (
          <Skeleton height={160} />
        )}
      </Section>
      {(allowed || mayRemove) && (
        <Section title={t.danger}>
          <div className="tg-inline">
            <Button
              variant="default"
              disabled={!allowed}
              onClick={() => (active ? setAsked("suspend") : void patch({ status: "active" }).catch(sayFailed))}
            >
              {active ? t.suspend : t.resume}
            </Button>
            <Button variant="outline" color="red" disabled={!mayRemove} onClick={() => setAsked("remove")}>
              {t.remove}
            </Button>
          </div>
        </Section>
      )}
      <Confirm
        opened={asked === "suspend"}
        onClose={() => setAsked(undefined)}
        title={t.suspend}
        typed={slug}
        action={t.suspend}
        run={() => patch({ status: "suspended" })}
      >
        <p>{t.suspendText}</p>
      </Confirm>
      {asked === "clone" && (
        <NameMerchant
          title={t.cloneOf(data?.name ?? slug)}
          intro={t.cloneText}
          action={t.clone}
          make={(body) => answer(api.POST("/admin/v1/merchants/{merchant}/clone", { params: { path }, body }))}
          onClose={() => setAsked(undefined)}
        />
      )}
      <Confirm
        opened={asked === "remove"}
        onClose={() => setAsked(undefined)}
        title={t.remove}
        typed={slug}
        action={t.remove}
        run={async () => {
          await answer(api.DELETE("/admin/v1/merchants/{merchant}", { params: { path } }));
          void queries.invalidateQueries({ queryKey: ["merchants"] });
          void navigate({ to: "/merchants" });
        }}
      >
        <p>{t.removeText}</p>
      </Confirm>
    </Page>
  );
}

function Rename({ name, allowed, save }: { name: string; allowed: boolean; save: (name: string) => Promise<void> }) {
  const t = useTexts(merchantWords);
  const [text, setText] = useState(name);
  return (
    <form
      className="tg-inline tg-end tg-rename"
      onSubmit={(event) => {
        event.preventDefault();
        void save(text).catch(sayFailed);
      }}
    >
      <TextInput
        label={t.name}
        required
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        readOnly={!allowed}
      />
      <Button type="submit" variant="default" disabled={!allowed || text === name || !text}>
        {t.rename}
      </Button>
    </form>
  );
}
