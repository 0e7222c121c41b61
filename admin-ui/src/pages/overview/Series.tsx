import { useMantineColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useLanguage, useTexts } from "../../language/language";
import { stateWords } from "../../parts/states";
import { GROUPS, type Group, STATUS_OF } from "./figures";

interface Props {
  at: number[];
  counts: Record<Group, number[]>;
  label: string;
}

const COLOURS: Record<Group, string> = {
  succeeded: "--tg-green",
  processing: "--tg-blue",
  declined: "--tg-red",
  doubtful: "--tg-violet",
  refunded: "--tg-grey",
};
const HEIGHT = 220;

/** Stacked columns, the first group at the bottom. */
export function Series({ at, counts, label }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const states = useTexts(stateWords);
  const language = useLanguage();
  const { colorScheme } = useMantineColorScheme();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the colours are read from the theme
  useEffect(() => {
    const parent = place.current;
    if (!parent) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const shown = GROUPS.filter((group) => counts[group].some((count) => count > 0));
    const stacked = stack(shown.map((group) => counts[group]));
    const axis = {
      stroke: colour("--tg-quiet"),
      grid: { stroke: colour("--tg-line"), width: 1 },
      ticks: { show: false },
      font: "12px 'Source Sans 3', sans-serif",
    };
    const columns = uPlot.paths.bars?.({ size: [0.8, 40], align: 1 });
    const plot = new uPlot(
      {
        width: parent.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { range: (_, first, last) => [first, last + (at.length > 1 ? (at[1] ?? 0) - (at[0] ?? 0) : 1)] },
          // A little air, so that the tallest column does not touch the edge.
          y: { range: (_, __, most) => [0, Math.max(Math.ceil(most * 1.08), 4)] },
        },
        axes: [
          {
            ...axis,
            size: 26,
            values: (_, splits) =>
              splits.map((split) =>
                new Date(split * 1000).toLocaleTimeString(language === "ru" ? "ru-RU" : "en-GB", {
                  hour: "2-digit",
                  minute: "2-digit",
                }),
              ),
          },
          { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] },
        ],
        // The tallest is drawn first, the lower ones over it.
        series: [
          {},
          ...[...shown].reverse().map((group) => ({
            label: group,
            fill: colour(COLOURS[group]),
            stroke: colour(COLOURS[group]),
            width: 0,
            ...(columns ? { paths: columns } : {}),
            points: { show: false },
          })),
        ],
      },
      [at, ...stacked.reverse()] as uPlot.AlignedData,
      parent,
    );
    const watch = new ResizeObserver(() => plot.setSize({ width: parent.clientWidth, height: HEIGHT }));
    watch.observe(parent);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [at, counts, language, colorScheme]);
  const totals = GROUPS.map((group) => ({ group, total: counts[group].reduce((sum, count) => sum + count, 0) })).filter(
    ({ total }) => total > 0,
  );
  return (
    <figure className="tg-series">
      <div
        ref={place}
        role="img"
        aria-label={`${label}: ${totals.map(({ group, total }) => `${states[STATUS_OF[group]]} ${total}`).join(", ")}`}
      />
      <figcaption className="tg-inline tg-small">
        {totals.map(({ group, total }) => (
          <span key={group} className="tg-inline tg-legend">
            <svg width="10" height="10" aria-hidden="true">
              <rect width="10" height="10" rx="2" fill={`var(${COLOURS[group]})`} />
            </svg>
            {states[STATUS_OF[group]]} <span className="tg-quiet">{total}</span>
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

function stack(rows: number[][]): number[][] {
  const sums: number[] = [];
  return rows.map((row) =>
    row.map((count, index) => {
      sums[index] = (sums[index] ?? 0) + count;
      return sums[index];
    }),
  );
}
