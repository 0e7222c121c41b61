import { Alert, SegmentedControl, Skeleton, Textarea } from "@mantine/core";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { answer, api } from "../../api/client";
import type { ChangeReport, Checks } from "../../api/shapes";
import { useTexts } from "../../language/language";
import { FormSheet } from "../../parts/Sheet";
import { say } from "../../parts/Toasts";
import { Changes } from "./Changes";
import type { Draft } from "./draft";
import { draftVersionOf, useLastReplay } from "./ReplayPane";
import type { Published } from "./Workbench";
import { ruleWords } from "./words";

const Compare = lazy(() => import("./Compare").then((module) => ({ default: module.Compare })));
const CANARY_SHARE_BP = 500;

interface Props {
  merchant: string;
  published: Published;
  draft: Draft;
  onClose: () => void;
  onPublished: () => void;
  goTo: (tab: string) => void;
}

/** What makes a change of rules feel safe: what changes, that its tests are green, what it would have done. */
export function PublishSheet({ merchant, published, draft, onClose, onPublished, goTo }: Props) {
  const t = useTexts(ruleWords);
  const queries = useQueryClient();
  const replay = useLastReplay(merchant);
  const [message, setMessage] = useState("");
  const [how, setHow] = useState<"now" | "shadow" | "canary">("now");
  const checks = draft.checks as unknown as Checks;
  const objections = [
    ...checks.findings
      .filter(({ severity }) => severity === "error")
      .map(({ line, message: text }) => `${t.goto(line)}: ${text}`),
    ...checks.tests.failed.map(({ name, problem }) => `${name}: ${problem}`),
  ];
  const ofThis = replay.data && draftVersionOf(replay.data) === draft.version ? replay.data : undefined;
  const report = ofThis?.report as unknown as ChangeReport | undefined;

  const path = { merchant };
  const acts = {
    now: async () => {
      const made = await answer(
        api.POST("/admin/v1/merchants/{merchant}/rules/publish", { params: { path }, body: { message } }),
      );
      say(t.publishedToast(made.revision));
      goTo("history");
      onPublished();
    },
    shadow: async () => {
      await answer(api.PUT("/admin/v1/merchants/{merchant}/rules/shadow", { params: { path }, body: {} }));
      goTo("shadow");
    },
    canary: async () => {
      await answer(
        api.PUT("/admin/v1/merchants/{merchant}/rules/canary", {
          params: { path },
          body: { share_bp: CANARY_SHARE_BP, message },
        }),
      );
      goTo("canary");
      onPublished();
    },
  };
  const run = async () => {
    await acts[how]();
    for (const key of ["rules", "draft", "revisions", "shadow", "canary", "merchant"])
      void queries.invalidateQueries({ queryKey: [key, merchant] });
    onClose();
  };
  return (
    <FormSheet
      title={t.sheetTitle}
      size="xl"
      action={{ now: t.now, shadow: t.shadowStart, canary: t.canaryStart }[how]}
      onClose={onClose}
      run={run}
      ready={objections.length === 0 || how === "shadow"}
      aside={
        published && (
          <SegmentedControl
            aria-label={t.sheetTitle}
            value={how}
            onChange={(value) => setHow(value as typeof how)}
            data={[
              { value: "now", label: t.now },
              { value: "shadow", label: t.shadowFirst },
              { value: "canary", label: t.canaryFirst },
            ]}
          />
        )
      }
    >
      {objections.length > 0 ? (
        <Alert color="red" variant="light" icon={<IconAlertTriangle size={18} />} title={t.sheetRed}>
          <ul className="tg-objections">
            {objections.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </Alert>
      ) : (
        <Alert color="green" variant="light" icon={<IconCheck size={18} />}>
          {checks.tests.passed > 0 ? t.sheetGreen(checks.tests.passed) : t.sheetNoTests}
        </Alert>
      )}
      {published && (
        <Suspense fallback={<Skeleton height={160} />}>
          <Compare before={published.source} after={draft.source} />
        </Suspense>
      )}
      {published && (
        <div>
          {!report ? (
            <p className="tg-quiet">
              {t.sheetNoReplay}{" "}
              <button
                type="button"
                className="tg-line-link"
                onClick={() => {
                  onClose();
                  goTo("replay");
                }}
              >
                {t.replay}
              </button>
            </p>
          ) : report.changed === 0 ? (
            <p>{t.sheetNoChange}</p>
          ) : (
            <>
              <h2 className="tg-h3">{t.sheetReplay}</h2>
              <Changes merchant={merchant} report={report} />
            </>
          )}
        </div>
      )}
      <Textarea
        label={t.message}
        description={t.messageHint}
        required={how === "now"}
        autosize
        minRows={2}
        value={message}
        onChange={(event) => setMessage(event.currentTarget.value)}
        data-autofocus
      />
    </FormSheet>
  );
}
