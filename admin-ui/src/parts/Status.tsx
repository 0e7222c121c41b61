import { useTexts } from "../language/language";
import { type Shape, STATES, stateWords, type Tone } from "./states";

const SHAPES: Record<Shape, React.ReactNode> = {
  dot: <circle cx="5" cy="5" r="4" fill="currentColor" />,
  ring: <circle cx="5" cy="5" r="3.2" fill="none" stroke="currentColor" strokeWidth="1.6" />,
  half: (
    <>
      <circle cx="5" cy="5" r="3.2" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <path d="M5 1.8a3.2 3.2 0 0 1 0 6.4Z" fill="currentColor" />
    </>
  ),
  triangle: <path d="M5 1 9.4 8.8H.6Z" fill="currentColor" />,
  cross: <path d="m2 2 6 6M8 2 2 8" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />,
  diamond: <path d="M5 .6 9.4 5 5 9.4.6 5Z" fill="currentColor" />,
  square: <rect x="1.4" y="1.4" width="7.2" height="7.2" rx="1.2" fill="currentColor" />,
  dash: <path d="M1.5 5h7" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" />,
  return: (
    <path
      d="M3.6 1.4 1.2 3.8l2.4 2.4M1.4 3.8H6a2.4 2.4 0 0 1 0 4.8H4"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
    />
  ),
};

export function Mark({ tone, shape }: { tone: Tone; shape: Shape }) {
  return (
    <svg className={`tg-mark tg-${tone}`} viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
      {SHAPES[shape]}
    </svg>
  );
}

/** A status with its own shape and colour. `label` replaces the word. */
export function Status({ of, label, plain = false }: { of: string; label?: React.ReactNode; plain?: boolean }) {
  const word = useTexts(stateWords)[of] ?? of;
  const { tone, shape } = STATES[of] ?? { tone: "grey" as const, shape: "dot" as const };
  return (
    <span className={plain ? "tg-status" : `tg-status tg-chip tg-${tone}-chip`}>
      <Mark tone={tone} shape={shape} />
      {label ?? word}
    </span>
  );
}
