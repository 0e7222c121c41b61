import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";
import type { CodeKind } from "./highlight";
import "./code.css";

const Coloured = lazy(() => import("./Coloured").then((module) => ({ default: module.Coloured })));

export interface CodeProps {
  text: string;
  kind: CodeKind;
  label: string;
  /** Lines that ran, and how often. */
  ran?: Map<number, number> | undefined;
  /** The line that decided. */
  decided?: number | undefined;
  /** What stands at the margin of a line. */
  margin?: Map<number, string[]> | undefined;
  numbers?: boolean;
  wrap?: boolean;
}

/** A text in the colours of its language. */
export function Code(props: CodeProps) {
  return (
    <Suspense fallback={<Skeleton height={Math.min(props.text.split("\n").length, 14) * 20 + 20} />}>
      <Coloured {...props} />
    </Suspense>
  );
}
