import { Alert, Button, Menu, SegmentedControl, Skeleton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconDots, IconGitCompare, IconTrash, IconUpload } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useMemo, useRef, useState } from "react";
import { answer, api } from "../../api/client";
import { useMerchantSlug } from "../../api/merchants";
import type { Checks } from "../../api/shapes";
import { formatAgo } from "../../format/time";
import { useLanguage, useTexts } from "../../language/language";
import { Confirm } from "../../parts/Confirm";
import { Failed } from "../../parts/Failed";
import { useFilters } from "../../parts/filters";
import { Page } from "../../parts/Page";
import { Mark } from "../../parts/Status";
import { words } from "../../parts/words";
import { useMay } from "../../session/permissions";
import { CanaryPane } from "./CanaryPane";
import { type Checked, type Draft, type Saving, usePublished, useSaving, useStoredDraft } from "./draft";
import type { EditorHandle, Mark as EditorMark } from "./Editor";
import { HistoryPane } from "./HistoryPane";
import { LimitsPane } from "./LimitsPane";
import { PublishSheet } from "./PublishSheet";
import { ReplayPane } from "./ReplayPane";
import "./rules.css";
import { ShadowPane } from "./ShadowPane";
import { Templates } from "./Templates";
import { TestsPane } from "./TestsPane";
import { TryPane } from "./TryPane";
import { ruleWords } from "./words";

const Editor = lazy(() => import("./Editor").then((module) => ({ default: module.Editor })));
const Compare = lazy(() => import("./Compare").then((module) => ({ default: module.Compare })));

const TABS = ["tests", "try", "replay", "shadow", "canary", "history", "settings"] as const;
type Tab = (typeof TABS)[number];

export const STARTER = `-- What may be paid, and where a payment goes. docs: rules.md
local rules = {}

function rules.check(request, ctx)
  return accept()
end

test("anything may be paid", { check = { account = "1" }, expect = accept() })

return rules
`;

export function Workbench() {
  const t = useTexts(ruleWords);
  const merchant = useMerchantSlug();
  const published = usePublished(merchant);
  const draft = useStoredDraft(merchant);
  const error = published.error ?? draft.error;
  if (error) {
    return (
      <Page title={t.title}>
        <Failed error={error} retry={() => void Promise.all([published.refetch(), draft.refetch()])} />
      </Page>
    );
  }
  if (published.data === undefined || draft.data === undefined) {
    return (
      <Page title={t.title}>
        <div className="tg-bench">
          <Skeleton height={520} />
          <Skeleton height={520} />
        </div>
      </Page>
    );
  }
  return <Bench key={merchant} merchant={merchant} published={published.data} draft={draft.data} />;
}

export type Published = NonNullable<ReturnType<typeof usePublished>["data"]> | null;

function Bench({ merchant, published, draft }: { merchant: string; published: Published; draft: Draft | null }) {
  const t = useTexts(ruleWords);
  const w = useTexts(words);
  const queries = useQueryClient();
  const allowed = useMay("rules:write", merchant);
  const [text, setText] = useState(draft?.source ?? published?.source ?? STARTER);
  const initial = useRef(text);
  const editor = useRef<EditorHandle>(null);
  const { saving, checked: own, change, forget } = useSaving(merchant, draft);
  const publishedChecks = usePublishedChecks(merchant, published);
  const checked = own ?? (saving.kind === "saved" ? publishedChecks : undefined);
  const [{ tab: wantedTab }, setFilter] = useFilters("tab");
  const tab: Tab = TABS.find((name) => name === wantedTab) ?? "tests";
  const [comparing, setComparing] = useState(false);
  const [publishing, setPublishing] = useDisclosure();
  const [discarding, setDiscarding] = useDisclosure();
  const [choosing, setChoosing] = useDisclosure();
  const changed = text !== published?.source;

  const edit = (next: string) => {
    setText(next);
    change(next);
  };
  const discard = async () => {
    await answer(api.DELETE("/admin/v1/merchants/{merchant}/rules/draft", { params: { path: { merchant } } }));
    const back = published?.source ?? STARTER;
    editor.current?.replace(back);
    forget();
    setText(back);
    queries.setQueryData(["draft", merchant], null);
  };
  return (
    <Page
      title={t.title}
      {...(published || draft ? {} : { intro: t.noneText })}
      action={
        <>
          <Button variant="default" onClick={setChoosing.open} disabled={!allowed}>
            {t.templates}
          </Button>
          <Button leftSection={<IconUpload size={16} />} onClick={setPublishing.open} disabled={!allowed || !draft}>
            {t.publish}
          </Button>
          <Menu position="bottom-end">
            <Menu.Target>
              <Button variant="default" px={8} aria-label={w.actions}>
                <IconDots size={16} />
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item
                leftSection={<IconTrash size={16} />}
                disabled={!allowed || !draft}
                onClick={setDiscarding.open}
              >
                {t.discard}
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </>
      }
    >
      {!allowed && (
        <Alert color="gray" variant="light">
          {t.readOnly}
        </Alert>
      )}
      <div className="tg-bench">
        <section className="tg-bench-left" aria-label={t.editor}>
          {comparing && published ? (
            <Suspense fallback={<Skeleton height={480} />}>
              <Compare before={published.source} after={text} />
            </Suspense>
          ) : (
            <Suspense fallback={<Skeleton height={480} />}>
              <Editor
                initial={initial.current}
                label={t.editorLabel}
                readOnly={!allowed}
                marks={marksOf(saving, checked, text)}
                missed={checked && { lines: checked.checks.tests.lines_missed, of: checked.of }}
                onChange={edit}
                handle={editor}
              />
            </Suspense>
          )}
          <div className="tg-bench-foot">
            <SavedLine saving={saving} published={published} changed={changed} hasDraft={draft !== null} />
            {published && (
              <Button
                size="compact-sm"
                variant={comparing ? "light" : "subtle"}
                leftSection={<IconGitCompare size={15} />}
                onClick={() => {
                  initial.current = text;
                  setComparing(!comparing);
                }}
                disabled={!changed && !comparing}
              >
                {comparing ? t.editor : t.diffWith(published.revision)}
              </Button>
            )}
          </div>
        </section>
        <section className="tg-bench-right" aria-label={t[tab]}>
          <div className="tg-bench-tabs">
            <SegmentedControl
              size="xs"
              aria-label={t.title}
              value={tab}
              onChange={(value) => setFilter({ tab: value === "tests" ? "" : value })}
              data={TABS.map((value) => ({ value, label: t[value] }))}
            />
          </div>
          <div className="tg-bench-pane">
            {tab === "tests" && (
              <TestsPane saving={saving} checked={checked} text={text} goTo={(line) => editor.current?.goTo(line)} />
            )}
            {tab === "try" && <TryPane merchant={merchant} source={text} />}
            {tab === "replay" && <ReplayPane merchant={merchant} hasDraft={draft !== null} version={draft?.version} />}
            {tab === "shadow" && <ShadowPane merchant={merchant} hasDraft={draft !== null} />}
            {tab === "canary" && <CanaryPane merchant={merchant} hasDraft={draft !== null} />}
            {tab === "history" && (
              <HistoryPane
                merchant={merchant}
                onEdit={(source) => {
                  initial.current = source;
                  setComparing(false);
                  editor.current?.replace(source);
                  edit(source);
                }}
              />
            )}
            {tab === "settings" && <LimitsPane merchant={merchant} published={published !== null} />}
          </div>
        </section>
      </div>
      {publishing && draft && (
        <PublishSheet
          merchant={merchant}
          published={published}
          draft={draft}
          onClose={setPublishing.close}
          onPublished={() => {
            forget();
            setComparing(false);
          }}
          goTo={(where) => setFilter({ tab: where })}
        />
      )}
      <Templates
        opened={choosing}
        onClose={setChoosing.close}
        onChoose={(source) => {
          initial.current = source;
          setComparing(false);
          editor.current?.replace(source);
          edit(source);
        }}
      />
      <Confirm opened={discarding} onClose={setDiscarding.close} title={t.discard} action={t.discard} run={discard}>
        <p>{t.discardText}</p>
      </Confirm>
    </Page>
  );
}

/** What the checks found when the published revision was published: there is no draft yet that they were run for. */
function usePublishedChecks(merchant: string, published: Published): Checked | undefined {
  const revision = published?.revision;
  const detail = useQuery({
    queryKey: ["revision", merchant, revision],
    queryFn: () =>
      answer(
        api.GET("/admin/v1/merchants/{merchant}/rules/revisions/{revision}", {
          params: { path: { merchant, revision: revision ?? 0 } },
        }),
      ),
    enabled: revision !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const checks = detail.data?.checks as unknown as Checks | null | undefined;
  return useMemo(() => (checks && detail.data ? { checks, of: detail.data.source } : undefined), [checks, detail.data]);
}

/** What stands under the lines: a complaint of the compiler, or what the check and the tests found in this very text. */
function marksOf(saving: Saving, checked: Checked | undefined, text: string): EditorMark[] {
  if (saving.kind === "complaint") return [{ line: saving.line, severity: "error", text: saving.text }];
  if (!checked || checked.of !== text) return [];
  const found = checked.checks.findings.map((finding) => ({
    line: finding.line,
    column: finding.column,
    endLine: finding.end_line,
    endColumn: finding.end_column,
    severity: finding.severity,
    text: finding.hint ? `${finding.message} (${finding.hint})` : finding.message,
  }));
  const failed = checked.checks.tests.failed
    .filter((test) => test.line !== null)
    .map((test) => ({ line: test.line ?? 1, severity: "error" as const, text: `${test.name}: ${test.problem}` }));
  return [...found, ...failed];
}

function SavedLine({
  saving,
  published,
  changed,
  hasDraft,
}: {
  saving: Saving;
  published: Published;
  changed: boolean;
  hasDraft: boolean;
}) {
  const t = useTexts(ruleWords);
  const language = useLanguage();
  const state = {
    saved: {
      tone: "green" as const,
      text: saving.kind === "saved" && saving.at ? `${t.savedAt} ${formatAgo(saving.at, language)}` : "",
    },
    saving: { tone: "blue" as const, text: t.saving },
    complaint: { tone: "red" as const, text: t.notSaved },
    failed: { tone: "red" as const, text: t.notSavedOther },
  }[saving.kind];
  const nothing = saving.kind === "saved" && !saving.at && !published;
  const what = !changed ? t.unchanged : hasDraft || saving.kind !== "saved" ? t.draft : "";
  return (
    <span className="tg-inline tg-small tg-quiet" role="status">
      <Mark tone={nothing ? "grey" : state.tone} shape={nothing ? "ring" : saving.kind === "saved" ? "dot" : "half"} />
      {[
        what,
        published ? (changed ? t.basedOn(published.revision) : t.published(published.revision)) : t.none,
        state.text,
      ]
        .filter(Boolean)
        .join(" · ")}
    </span>
  );
}
