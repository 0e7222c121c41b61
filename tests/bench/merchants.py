#!/usr/bin/env python3
"""Measures what very many merchants cost, each with a script of its own, beside ten of them.

Each merchant is asked once, so that the process holds all of them. Then checks come at a constant rate (open loop), most of
them of few merchants, by Zipf's law: memory of the process, and how long the checks take.
"""

import pathlib
import statistics
import sys

import bench
import footprint

FEW, MANY, MANY_QUICK = 10, 100_000, 5_000
ZIPF = 1
RATE = 2_000
CLIENTS = 64
# Long enough to ask each of very many merchants once. With ten it is as long, so that the database is in the same state.
WARM_UP_SECONDS, WARM_UP_SECONDS_QUICK = 150, 15
RESIDENT_AIM_MB = 500
P99_AIM = 1.5


def turn(made, count, rounds, seconds, warm_up):
    """Of each round what the load saw; what the process holds at the end."""
    with made.running_tollgate("postgres") as (process, url):
        url = url.replace("/bench/", "/bench%d/")
        warm = made.wrk(url, "check", CLIENTS, warm_up, merchants=count)
        if warm["good"] < count:
            raise bench.Failure(f"only {warm['good']:,} of {count:,} merchants were asked in {warm_up} s")
        made.sql("postgres", "CHECKPOINT")
        written = wal_bytes(made)
        results = [made.wrk(url, "check", CLIENTS, seconds, RATE, merchants=count, zipf=ZIPF) for _ in range(rounds)]
        written = (wal_bytes(made) - written) / sum(result["good"] for result in results)
        return results, footprint.resident_mb(process.pid), written


def wal_bytes(made):
    return int(made.sql("postgres", "SELECT wal_bytes FROM pg_stat_wal"))


def row(count, results, resident, written):
    columns = [bench.spread([result[key] / 1000 for result in results], "{:.2f}")
               for key in ("p50_us", "p99_us", "p999_us")]
    return [f"{count:,}", f"{resident:.0f}", *columns, f"{written / 1000:.1f}"]


def report(many, few, rounds, seconds):
    ratio = statistics.median(result["p99_us"] for result in many[1]) / statistics.median(
        result["p99_us"] for result in few[1])
    resident = many[2]
    return "\n\n".join([
        "## Very many merchants",
        bench.table(["Merchants", "Resident MB", "p50 ms", "p99 ms", "p99.9 ms", "Log of PostgreSQL, KB a check"],
                    [row(*few), row(*many)]),
        f"Resident: aim ≤ {RESIDENT_AIM_MB} MB, {'met' if resident <= RESIDENT_AIM_MB else '**missed**'}. p99: **{ratio:.2f}** "
        f"times that of {FEW} merchants, aim ≤ {P99_AIM}, {'met' if ratio <= P99_AIM else '**missed**'}. {rounds} × {seconds} s "
        f"of {RATE:,} checks a second over {CLIENTS} connections, by Zipf's law with exponent {ZIPF}, PostgreSQL; {FEW} merchants "
        "first, and a checkpoint before each. Each merchant was asked before.",
    ]) + "\n"


def main():
    options = bench.usual_options(__doc__, 20, 4)
    quick = options.quick
    count = MANY_QUICK if quick else MANY
    try:
        with bench.workplace(options.tollgate, "merchants") as (directory, tollgate, _):
            made = bench.Bench(directory, tollgate, options.seconds)
            with made.running_postgres():
                with made.running_tollgate("postgres"):
                    made.multiply(count)
                made.sql("tollgate", "ANALYZE")
                warm_up = WARM_UP_SECONDS_QUICK if quick else WARM_UP_SECONDS
                few, many = ((number, *turn(made, number, options.rounds, options.seconds, warm_up))
                             for number in (FEW, count))
            text = report(many, few, options.rounds, options.seconds)
    except bench.Failure as failure:
        bench.give_up("merchants", failure)
    bench.tell(text, options.output)


if __name__ == "__main__":
    sys.exit(main())
