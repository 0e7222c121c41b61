import { formatAgo, formatClock, formatDay, formatMoment, formatUtc } from "../format/time";
import { useLanguage } from "../language/language";

/** A moment in the viewer's zone, in UTC on hover. */
export function Moment({ at, as = "moment" }: { at: string; as?: "moment" | "clock" | "day" | "ago" }) {
  const language = useLanguage();
  const text = { moment: formatMoment, clock: formatClock, day: formatDay, ago: formatAgo }[as](at, language);
  return (
    <time dateTime={at} title={formatUtc(at)} className="tg-moment">
      {text}
    </time>
  );
}
