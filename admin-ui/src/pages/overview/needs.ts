import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../../api/client";
import { useConnections, useMerchant } from "../../api/merchants";
import { formatCount } from "../../format/size";
import { useLanguage, useTexts } from "../../language/language";
import { useMay } from "../../session/permissions";
import { readPayments } from "../payments/read";
import { orNothing } from "../rules/draft";
import { overviewWords } from "./words";

export interface Need {
  key: string;
  tone: "red" | "amber" | "violet";
  title: string;
  text?: string;
  at?: string;
  to: string;
}

const WATCH_MS = 10_000;
const SOON_MS = 30 * 86_400_000;

/** What somebody should look at; empty when all is well. */
export function useNeeds(merchant: string): Need[] | undefined {
  const t = useTexts(overviewWords);
  const language = useLanguage();
  const info = useMerchant();
  const connections = useConnections(merchant);
  const mayRead = useMay("webhooks:read", merchant);
  const facts = useQuery({
    queryKey: ["needs", merchant],
    queryFn: async () => {
      const path = { merchant };
      const [doubtful, waiting, rules] = await Promise.all([
        readPayments(merchant, { status: "in_doubt" }, undefined, 50),
        mayRead
          ? answer(
              api.GET("/admin/v1/merchants/{merchant}/deliveries", {
                params: { path, query: { status: "pending", limit: 50 } },
              }),
            )
          : Promise.resolve({ data: [] }),
        orNothing(answer(api.GET("/admin/v1/merchants/{merchant}/rules", { params: { path } }))),
      ]);
      return { doubtful: doubtful.data.length, failing: waiting.data.filter(({ attempts }) => attempts > 0), rules };
    },
    refetchInterval: WATCH_MS,
  });
  if (!facts.data || !connections.data || !info.data) return undefined;
  const { doubtful, failing, rules } = facts.data;
  const base = `/m/${merchant}`;
  const needs: Need[] = [];
  if (info.data.status === "suspended")
    needs.push({ key: "suspended", tone: "amber", title: t.suspended, text: t.suspendedText, to: `${base}/setup` });
  if (doubtful > 0)
    needs.push({
      key: "doubt",
      tone: "violet",
      title: t.inDoubt(doubtful),
      text: t.inDoubtText,
      to: `${base}/payments?status=in_doubt`,
    });
  if (failing.length > 0) {
    const most = Math.max(...failing.map(({ attempts }) => attempts));
    needs.push({
      key: "webhooks",
      tone: "red",
      title: t.failing(failing.length),
      text: t.failingText(most),
      to: `${base}/webhooks?delivery=pending`,
    });
  }
  if (rules?.trouble) {
    const { count, message, last_at } = rules.trouble;
    needs.push({
      key: "trouble",
      tone: "red",
      title: t.trouble(formatCount(count, language)),
      text: message,
      at: last_at,
      to: `${base}/rules`,
    });
  }
  if (rules?.canary?.status === "withdrawn") {
    needs.push({
      key: "canary",
      tone: "amber",
      title: t.withdrawn(rules.canary.revision),
      at: rules.canary.updated_at,
      to: `${base}/rules?tab=canary`,
    });
  }
  if (!rules) needs.push({ key: "rules", tone: "amber", title: t.noRules, text: t.noRulesText, to: `${base}/rules` });
  for (const { slug, identity } of connections.data.data) {
    if (identity && Date.parse(identity.not_after) - Date.now() < SOON_MS) {
      needs.push({
        key: `certificate ${slug}`,
        tone: "amber",
        title: t.certificate(slug),
        at: identity.not_after,
        to: `${base}/connections/${slug}`,
      });
    }
  }
  return needs;
}
