#!/usr/bin/env python3
"""Measures how long a check and a pay take at half of what the gateway can do, at a constant rate (open loop).

First the closed loop finds the maximum that lasts: the first half minute, in which the database's memory is not full yet,
does not count. Then half of it is sent for some minutes, whatever the answers do, and each
request that found no free connection counts from the moment when it was due. The database's own work, checkpoints
included, happens meanwhile. At the same rate nginx + lua answers checks and stores nothing, and pgbench writes the rows of
a pay and nothing more: that tells what of it is the load's own, and the database's.
"""

import argparse
import pathlib
import sys

import bench

CLIENTS = 128
PART = 0.5
# How long the maximum takes to be one that lasts, and how long it is measured then.
FILLING_SECONDS = 30
MOST_SECONDS = 30
# How long nginx is asked at most: nothing grows there.
NGINX_SECONDS = 60
PGBENCH_CLIENTS = 64


def turn(made, command, seconds):
    with made.running_tollgate("postgres") as (_, url):
        made.wrk(url, command, 64, min(FILLING_SECONDS, seconds))
        most = made.wrk(url, command, 64, min(MOST_SECONDS, seconds))
        most = most["good"] / most["seconds"]
        rate = most * PART
        result = made.wrk(url, command, CLIENTS, seconds, rate)
    if result["good"] < 0.98 * rate * result["seconds"]:
        raise bench.Failure(f"{command}: only {result['good'] / result['seconds']:,.0f}/s of {rate:,.0f}/s were answered")
    return {**result, "most": most, "wanted": rate}


def nginx(made, rate, seconds):
    """As many checks a second, by a server that stores nothing."""
    with made.running_nginx_lua() as (_, url):
        return made.wrk(url, "check", CLIENTS, min(seconds, NGINX_SECONDS), rate)


def pgbench(made, rate, seconds):
    """As many pays a second, as rows alone; each counts from when it was due."""
    logs = made.directory / "paced"
    logs.mkdir()
    made.run_pgbench("rows.sql", PGBENCH_CLIENTS, seconds, "-R", rate, "-l", "--log-prefix", logs / "pgbench")
    # Of a line of pgbench's log, the third field is the time in microseconds.
    taken = sorted(int(line.split(" ", 3)[2]) for log in logs.iterdir() for line in log.open())
    parts = {name: taken[int(len(taken) * part)] for name, part in (("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999))}
    return {"good": len(taken), "seconds": seconds, **parts}


# (command, p99 that is aimed at in ms, peer, the peer's turn)
TURNS = (("check", 5.0, "nginx + lua", nginx), ("pay", 20.0, "pgbench, same rows", pgbench))


def row(what, most, result, aim, met):
    p50, p99, p999 = (f"{result[key] / 1000:.2f}" for key in ("p50_us", "p99_us", "p999_us"))
    return [what, most, f"{result['good'] / result['seconds']:,.0f}", f"{result['good']:,}", p50, p99, p999, aim, met]


def report(results, seconds):
    rows = []
    for command, aim, peer, _ in TURNS:
        ours, bare = results[command]
        met = "yes" if ours["p99_us"] <= 1000 * aim else "**no**"
        rows += [row(command, f"{ours['most']:,.0f}", ours, f"≤ {aim:.0f}", met),
                 row(f"as many at {peer}", "–", bare, "–", "–")]
    return "\n\n".join([
        "## Latency at half of the maximum",
        bench.table(["What", "Most/s, 64 clients", "Sent/s", "Answers", "p50 ms", "p99 ms", "p99.9 ms", "Aim, p99 ms",
                     "Met"], rows),
        f"{seconds} s each at a constant rate over {CLIENTS} connections, PostgreSQL, one merchant with the 35-line rule, "
        f"load and database on the same cores; nginx {min(seconds, NGINX_SECONDS)} s, pgbench with {PGBENCH_CLIENTS} clients; "
        f"{bench.writeback()}.",
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
                if not options.quick:
                    made.age_wal()
                for command, _, _, peer in TURNS:
                    ours = turn(made, command, options.seconds)
                    results[command] = ours, peer(made, ours["wanted"], options.seconds)
            text = report(results, options.seconds)
    except bench.Failure as failure:
        bench.give_up("latency", failure)
    bench.tell(text, options.output)


if __name__ == "__main__":
    sys.exit(main())
