import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../../api/client";
import { Code } from "../../code/Code";
import { formatMicros } from "../../format/time";
import { many, some, texts, useLanguage, useTexts } from "../../language/language";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { Mark } from "../../parts/Status";

const attemptWords = texts(
  {
    none: "Not tried yet.",
    attempt: (n: number) => `Attempt ${n}`,
    answer: "What the endpoint answered",
    noAnswer: "no answer",
    count: (n: number) => some(n, "attempt"),
  },
  {
    none: "Попыток ещё не было.",
    attempt: (n: number) => `Попытка ${n}`,
    answer: "Что ответил получатель",
    noAnswer: "нет ответа",
    count: (n: number) => many(n, "попытка", "попытки", "попыток"),
  },
);

const WATCH_MS = 2_000;

/** Every attempt of a delivery, with what came back. */
export function Attempts({ merchant, delivery, watch }: { merchant: string; delivery: string; watch: boolean }) {
  const t = useTexts(attemptWords);
  const language = useLanguage();
  const attempts = useQuery({
    queryKey: ["attempts", delivery],
    queryFn: () =>
      answer(
        api.GET("/admin/v1/merchants/{merchant}/deliveries/{delivery}/attempts", {
          params: { path: { merchant, delivery } },
        }),
      ),
    refetchInterval: watch ? WATCH_MS : false,
  });
  if (attempts.error) return <Failed error={attempts.error} retry={() => void attempts.refetch()} />;
  if (!attempts.data) return <Skeleton height={60} />;
  if (attempts.data.data.length === 0) return <p className="tg-quiet">{t.none}</p>;
  return (
    <ol className="tg-attempts">
      {attempts.data.data.map((attempt) => {
        const good =
          attempt.status !== null && attempt.status !== undefined && attempt.status >= 200 && attempt.status < 300;
        return (
          <li key={attempt.number}>
            <div className="tg-inline">
              <Mark tone={good ? "green" : "red"} shape={good ? "dot" : "cross"} />
              <span className="tg-strong">{t.attempt(attempt.number)}</span>
              <span className="mono">{attempt.status ?? t.noAnswer}</span>
              {attempt.error && <span className="tg-quiet">{attempt.error}</span>}
              <span className="tg-quiet tg-small">
                {attempt.duration_ms === 0
                  ? `< ${formatMicros(1_000, language)}`
                  : formatMicros(attempt.duration_ms * 1000, language)}{" "}
                · <Moment at={attempt.created_at} />
              </span>
            </div>
            {attempt.answer && <Code text={attempt.answer} kind="text" label={t.answer} wrap />}
          </li>
        );
      })}
    </ol>
  );
}
