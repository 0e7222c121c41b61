#!/usr/bin/env python3
"""Measures what a decision of the rule engine costs, beside what it would cost without the engine, and prints a table.

Runs the example `decisions` of the crate `rules`, pinned to one core. It times short batches of calls, so that a busy
machine spoils few of them; ours and the peers take turns in one process, several rounds.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys

import bench

# Name of ours, name of the peer, what they are.
PAIRS = (
    ("account", "account, function on a warm VM", "35-line account check", "the same function on a warm VM"),
    ("routing", "routing, in Rust", "three static rules and a default", "the same rules in Rust"),
)
DECISION_AIM_US = 10
RESIDENT_AIM_MB = 500
RATIO_AIM = 1.3


def example(path, *args):
    """Pinned, because a thread that moves between cores finds its caches cold."""
    pinned = [bench.program("taskset"), "-c", str(max(os.sched_getaffinity(0)))]
    return json.loads(bench.run(*pinned, path, *args))


def micros(nanoseconds):
    return bench.spread([value / 1000 for value in nanoseconds], "{:.2f}")


def decisions(costs):
    rows = []
    for ours, peer, what, beside in PAIRS:
        mine, theirs = costs[ours]["medians_ns"], costs[peer]["medians_ns"]
        rows.append([what, micros(mine), f"{costs[ours]['lowest_ns'] / 1000:.2f}", beside, micros(theirs),
                     f"{statistics.median(mine) / statistics.median(theirs):.1f} ×"])
    met = statistics.median(costs["account"]["medians_ns"]) / 1000 <= DECISION_AIM_US
    return [bench.table(["A decision of", "Median µs", "Lowest µs", "Beside", "Median µs", "Ratio"], rows),
            f"A fresh environment, budgets, the reading of the answer and its record are in each of ours. Aim: "
            f"≤ {DECISION_AIM_US} µs for the 35 lines ({'met' if met else '**missed**'})."]


def merchants(result):
    few, every = (result["costs"][name]["medians_ns"] for name in ("few", "all"))
    ratio = statistics.median(every) / statistics.median(few)
    resident = result["resident_bytes"] / 1e6
    return [bench.table(
        ["Merchants", "Programs MB", "Resident MB", "Median µs", f"among {result['few']}", "Ratio"],
        [[f"{result['scripts']:,}", f"{result['programs_bytes'] / 1e6:.0f}", f"{resident:.0f}", micros(every),
          micros(few), f"{ratio:.2f} ×"]]),
        f"Each merchant has a script of its own; calls go among them in an order that no cache foresees. Aims: "
        f"≤ {RESIDENT_AIM_MB} MB ({'met' if resident <= RESIDENT_AIM_MB else '**missed**'}), ≤ {RATIO_AIM} × the cost "
        f"among {result['few']} ({'met' if ratio <= RATIO_AIM else '**missed**'})."]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--decisions", type=pathlib.Path, required=True, help="the example, built with --release")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--merchants", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="two rounds, 10,000 merchants")
    parser.add_argument("--output", type=pathlib.Path, help="write the report here too")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.merchants = 2, 10_000
    try:
        text = "\n\n".join([
            "## Decisions", *decisions(example(options.decisions, "all", options.rounds)["costs"]),
            *merchants(example(options.decisions, "merchants", options.merchants)),
            f"Load average at the end: {os.getloadavg()[0]:.1f}."]) + "\n"
    except bench.Failure as failure:
        sys.exit(f"decisions: {failure}")
    bench.tell(text, options.output)


if __name__ == "__main__":
    main()
