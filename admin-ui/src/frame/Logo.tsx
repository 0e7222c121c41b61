export function Logo({ size = 20 }: { size?: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true">
      <path d="M16 2 30 16 16 30 2 16Z" fill="var(--tg-accent)" />
      <path
        d="M16 9v14M11 13l5-4 5 4"
        fill="none"
        stroke="var(--tg-bg)"
        strokeWidth="2.4"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
