import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { ask, type Schema } from "../../api/client";
import { useTexts } from "../../language/language";
import { Failed } from "../../parts/Failed";
import { Section } from "../../parts/Page";
import { Mark } from "../../parts/Status";
import { useSubmit } from "../../parts/submit";
import { addressOf } from "./address";
import { certificateWords } from "./certificateWords";

type Report = Schema["HandshakeView"];

/** A handshake with the network as this connection would make it. */
export function Handshake({
  merchant,
  connection,
  config,
  allowed,
}: {
  merchant: string;
  connection: string;
  config: Record<string, unknown>;
  allowed: boolean;
}) {
  const t = useTexts(certificateWords);
  const [url, setUrl] = useState(() => addressOf(config));
  const [report, setReport] = useState<Report>();
  const {
    busy,
    error,
    submit: test,
  } = useSubmit(async () => {
    setReport(undefined);
    setReport(
      await ask<Report>("POST", `/admin/v1/merchants/${merchant}/connections/${connection}/test-handshake`, { url }),
    );
  });
  return (
    <Section title={t.handshake}>
      <form onSubmit={test} className="tg-card tg-stack">
        <TextInput
          label={t.handshakeUrl}
          description={t.handshakeHint}
          type="url"
          required
          value={url}
          onChange={(event) => setUrl(event.currentTarget.value)}
          classNames={{ input: "mono" }}
        />
        <div>
          <Button type="submit" variant="default" loading={busy} disabled={!allowed}>
            {t.handshake}
          </Button>
        </div>
        {error !== undefined && <Failed error={error} />}
        {report && (
          <ul className="tg-attempts" role="status">
            <Line
              good={report.established}
              text={report.established ? t.established : t.notEstablished}
              more={
                report.reason ?? [report.protocol, report.cipher, `${report.took_ms} ms`].filter(Boolean).join(" · ")
              }
            />
            {report.certificate && (
              <Line
                good={report.trusted}
                text={report.trusted ? t.trusted : t.distrusted}
                more={report.distrust ?? report.certificate.subject}
              />
            )}
            {report.wants_certificate && (
              <Line
                good={report.showed_certificate}
                text={`${t.wants}, ${report.showed_certificate ? t.showed : t.notShowed}`}
              />
            )}
          </ul>
        )}
      </form>
    </Section>
  );
}

function Line({ good, text, more }: { good: boolean; text: string; more?: string | null }) {
  return (
    <li className="tg-inline">
      <Mark tone={good ? "green" : "red"} shape={good ? "dot" : "cross"} />
      <span className="tg-strong">{text}</span>
      {more && <span className="tg-quiet">{more}</span>}
    </li>
  );
}
