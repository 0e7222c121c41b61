import { useParams } from "@tanstack/react-router";
import { useMerchantSlug } from "../../api/merchants";
import { useTexts } from "../../language/language";
import { Id } from "../../parts/Copy";
import { Page } from "../../parts/Page";
import "./payments.css";
import { Why } from "./Why";
import { whyWords } from "./whyWords";
import { paymentWords } from "./words";

export function DecisionPage() {
  const t = useTexts(whyWords);
  const p = useTexts(paymentWords);
  const merchant = useMerchantSlug();
  const { decision } = useParams({ strict: false }) as { decision: string };
  return (
    <Page title={t.page} within={{ to: `/m/${merchant}/payments`, title: p.title }} intro={<Id value={decision} />}>
      <h2 className="tg-hidden">{t.title}</h2>
      <Why merchant={merchant} decision={decision} />
    </Page>
  );
}
