import type { Schema } from "../../api/client";
import { formatCount } from "../../format/size";
import type { Language } from "../../language/language";
import type { overviewWords } from "./words";

export interface Need {
  key: string;
  tone: "red" | "amber" | "violet";
  /** Whose it is, where several merchants are looked at. */
  of?: string;
  title: string;
  text?: string;
  at?: string;
  to: string;
}

/** So many are told one by one; the rest is behind their pages. */
const TOLD = 6;

/** What somebody should look at; empty when all is well. Without a merchant, of all of them. */
export function needsOf(
  view: Schema["Overview"],
  merchant: string | undefined,
  t: (typeof overviewWords)["en"],
  language: Language,
  nameOf: (slug: string) => string,
): Need[] {
  const of = (slug: string | null | undefined) => (merchant === undefined && slug ? { of: nameOf(slug) } : {});
  return [
    ...doubts(view, merchant, t, nameOf),
    ...view.webhooks.endpoints
      .filter(({ attempts, status }) => attempts > 0 && status === "active")
      .slice(0, TOLD)
      .map((endpoint) => ({
        key: `webhook ${endpoint.id}`,
        tone: "red" as const,
        ...of(endpoint.merchant),
        title: t.failing(formatCount(endpoint.waiting, language)),
        text: t.failingText(endpoint.url, endpoint.attempts),
        at: endpoint.oldest,
        to: `/m/${endpoint.merchant}/webhooks/${endpoint.id}`,
      })),
    ...view.rule_troubles.slice(0, TOLD).map((trouble) => ({
      key: `rules ${trouble.merchant}`,
      tone: "red" as const,
      ...of(trouble.merchant),
      title: t.trouble(trouble.revision, formatCount(trouble.failures, language)),
      text: trouble.message,
      at: trouble.last_at,
      to: `/m/${trouble.merchant}/rules`,
    })),
    ...view.certificates.slice(0, TOLD).map((certificate) => ({
      key: `certificate ${certificate.role} ${certificate.merchant} ${certificate.name}`,
      tone: "amber" as const,
      ...of(certificate.merchant),
      title: t.certificate(certificate.name),
      at: certificate.not_after,
      to: certificate.merchant ? `/m/${certificate.merchant}/certificates` : "/certificates",
    })),
    ...view.refused.slice(0, TOLD).map((refused) => ({
      key: `refused ${refused.merchant} ${refused.level} ${refused.reason}`,
      tone: "amber" as const,
      ...of(refused.merchant),
      title: t.refused(formatCount(refused.count, language), t.reasons[refused.reason] ?? refused.reason),
      to: `/m/${refused.merchant}/limits`,
    })),
  ];
}

function doubts(
  { in_doubt }: Schema["Overview"],
  merchant: string | undefined,
  t: (typeof overviewWords)["en"],
  nameOf: (slug: string) => string,
): Need[] {
  if (in_doubt.payments === 0) return [];
  const first = merchant ?? in_doubt.merchants[0];
  return [
    {
      key: "doubt",
      tone: "violet",
      title: t.inDoubt(in_doubt.payments),
      text: merchant === undefined ? `${in_doubt.merchants.map(nameOf).join(", ")}. ${t.inDoubtText}` : t.inDoubtText,
      ...(in_doubt.oldest ? { at: in_doubt.oldest } : {}),
      to: `/m/${first}/payments?status=in_doubt`,
    },
  ];
}
