#!/usr/bin/env python3
"""Measures how long a check and a pay take at half of what the gateway can do, at a constant rate (open loop).

First the closed loop finds the maximum; then half of it is sent for some minutes, whatever the answers do, and each
request that found no free connection counts from the moment when it was due. The database's own work, checkpoints
included, happens meanwhile.
"""

import argparse
import pathlib
import sys

import bench

CLIENTS = 128
# (command, p99 that is aimed at, in ms)
TURNS = (("check", 5.0), ("pay", 20.0))
PART = 0.5


def turn(made, command, seconds):
    with made.running_tollgate("postgres") as (_, url):
        made.wrk(url, command, 64, bench.WARM_UP_SECONDS)
        most = made.wrk(url, command, 64, 10)
        most = most["good"] / most["seconds"]
        rate = most * PART
        result = made.wrk(url, command, CLIENTS, seconds, rate)
    result["most"], result["rate"], result["wanted"] = most, result["good"] / result["seconds"], rate
    if result["rate"] < 0.98 * rate:
        raise bench.Failure(f"{command}: only {result['rate']:,.0f}/s of {rate:,.0f}/s were answered")
    return result


def report(results, seconds):
    rows = []
    for command, aim in TURNS:
        result = results[command]
        p50, p99, p999 = (result[key] / 1000 for key in ("p50_us", "p99_us", "p999_us"))
        rows.append([command, f"{result['most']:,.0f}", f"{result['rate']:,.0f}", f"{result['good']:,}", f"{p50:.2f}",
                     f"{p99:.2f}", f"{p999:.2f}", f"≤ {aim:.0f}", "yes" if p99 <= aim else "**no**"])
    return "\n\n".join([
        "## Latency at half of the maximum",
        bench.table(["What", "Most/s, 64 clients", "Sent/s", "Answers", "p50 ms", "p99 ms", "p99.9 ms", "Aim, p99 ms",
                     "Met"], rows),
        f"{seconds} s each at a constant rate over {CLIENTS} connections, PostgreSQL, one merchant with the 35-line rule, "
        "load and database on the same cores.",
    ]) + "\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tollgate", type=pathlib.Path, required=True, help="our binary")
    parser.add_argument("--seconds", type=int, default=300, help="length of a turn")
    parser.add_argument("--quick", action="store_true", help="5 seconds")
    parser.add_argument("--output", type=pathlib.Path, help="write the report here too")
    options = parser.parse_args()
    if options.quick:
        options.seconds = 5
    return options


def main():
    options = arguments()
    try:
        with bench.workplace(options.tollgate, "latency") as (directory, tollgate, _):
            made = bench.Bench(directory, tollgate, options.seconds)
            results = {}
            with made.running_postgres():
                for command, _ in TURNS:
                    results[command] = turn(made, command, options.seconds)
            text = report(results, options.seconds)
    except bench.Failure as failure:
        bench.give_up("latency", failure)
    bench.tell(text, options.output)


if __name__ == "__main__":
    sys.exit(main())
