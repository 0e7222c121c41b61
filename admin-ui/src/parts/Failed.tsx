import { Alert, Button } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { ProblemError } from "../api/client";
import { useTexts } from "../language/language";
import { words } from "./words";

/** What happened, what was not done, what to do. */
export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const t = useTexts(words);
  const { title, text, field } = explain(error, t);
  const final = error instanceof ProblemError && [403, 404].includes(error.problem.status);
  return (
    <Alert
      color="red"
      variant="light"
      icon={<IconAlertTriangle size={18} />}
      title={title}
      className="tg-failed"
      role="alert"
    >
      <p>{text}</p>
      {field && <p className="mono">{t.fieldIs(field)}</p>}
      {retry && !final && (
        <Button size="xs" variant="default" mt={6} onClick={retry}>
          {t.retry}
        </Button>
      )}
    </Alert>
  );
}

function explain(error: unknown, t: (typeof words)["en"]): { title: string; text: string; field?: string } {
  if (!(error instanceof ProblemError)) return { title: t.away, text: t.awayHint };
  const { status, title, detail, field } = error.problem;
  if (status === 404) return { title: t.notFound, text: t.notFoundHint };
  if (status === 403) return { title: t.notAllowed, text: t.notAllowedHint };
  return { title: title || t.failed, text: detail, ...(field ? { field } : {}) };
}
