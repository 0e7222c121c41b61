#!/usr/bin/env python3
"""Measures what the gateway takes before anybody calls: time to start, memory when idle, size of the binary."""

import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import time

import bench

STARTS = 7
IDLE_SECONDS = 10
AIMS = {"start, s": 1.0, "memory when idle, MB": 60.0, "binary, MB": 80.0}


def resident_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1000


def start(directory, tollgate, user, url, key, idle):
    """Seconds from the program's start to its first good answer of /readyz; resident memory after a while."""
    began = time.perf_counter()
    with bench.gateway(tollgate, user, directory / "start.log", url, {"TOLLGATE_MASTER_KEY": key}, pause=0.005) as (process, *_):
        taken = time.perf_counter() - began
        time.sleep(idle)
        return taken, resident_mb(process.pid)


def measure(made, quick):
    key = bench.new_master_key(made.tollgate)
    rows = []
    for name, url in (("SQLite", f"sqlite://{made.directory}/start.db"),
                      ("PostgreSQL", f"postgres://bench@127.0.0.1:{made.postgres_port}/tollgate")):
        first, _ = start(made.directory, made.tollgate, made.user, url, key, 0)
        starts = [start(made.directory, made.tollgate, made.user, url, key, 0)[0] for _ in range(2 if quick else STARTS)]
        _, memory = start(made.directory, made.tollgate, made.user, url, key, 1 if quick else IDLE_SECONDS)
        rows += [[f"first start with an empty database, s, {name}", f"{first:.2f}", "–", "–"],
                 judged("start, s", name, statistics.median(starts)), judged("memory when idle, MB", name, memory)]
    rows.append(judged("binary, MB", "", made.tollgate.stat().st_size / 1e6))
    return rows


def judged(what, of, value):
    aim = AIMS[what]
    return [f"{what}, {of}" if of else what, f"{value:.2f}", f"< {aim:g}", "yes" if value < aim else "**no**"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tollgate", type=pathlib.Path, required=True, help="our binary")
    parser.add_argument("--quick", action="store_true", help="fewer starts")
    parser.add_argument("--output", type=pathlib.Path, help="write the report here too")
    return parser.parse_args()


def main():
    options = arguments()
    try:
        with bench.workplace(options.tollgate, "footprint") as (directory, tollgate, _):
            made = bench.Bench(directory, tollgate, 1)
            with made.running_postgres():
                rows = measure(made, options.quick)
    except (bench.Failure, subprocess.SubprocessError) as failure:
        bench.give_up("footprint", failure)
    text = "## Footprint\n\n" + bench.table(["What", "Measured", "Aim", "Met"], rows) + "\n"
    bench.tell(text, options.output)


if __name__ == "__main__":
    sys.exit(main())
