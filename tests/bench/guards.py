#!/usr/bin/env python3
"""Measures what the guards cost, and what they spare a neighbour; prints three tables.

1. Checks of one merchant over the wire: without rates, with six windows counted in the process, with the same counted in
   Redis. Their difference is what the guards cost.
2. Merchant A brings twenty times its limit over 200 connections while B sends checks at a constant rate, each timed from
   the moment when it was due. Before that the same crowd asks a bare server, so that what the load itself takes of the
   cores is known. Fails if any of B's checks fails.
3. The script that takes permits in Redis against plain INCR, by redis-benchmark in the same run.
"""

import contextlib
import json
import pathlib
import re
import secrets
import statistics
import subprocess
import sys

import bench
import neighbours

TAKE = bench.HERE.parent.parent / "gateway/server/src/edge/guards/take.lua"
CLIENTS = 32
# All have room for more than this machine can send: what is measured is the counting.
WINDOWS = {
    "TOLLGATE_LIMITS__MERCHANT_RATES": "second=100000/1, minute=6000000/60",
    "TOLLGATE_LIMITS__MERCHANT_PEER_RATES": "second=100000/1, minute=6000000/60",
    "TOLLGATE_LIMITS__CONNECTION_RATES": "second=100000/1, minute=6000000/60",
}
A_LIMIT, A_TIMES, A_CONNECTIONS = 20, 20, 200
AIM = 0.10


@contextlib.contextmanager
def redis(directory, user):
    port = bench.free_port()
    command = [bench.program("redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]

    def ready():
        return "PONG" in subprocess.run([bench.program("redis-cli"), "-p", str(port), "PING"], capture_output=True,
                                        text=True, check=False).stdout

    with bench.serving(bench.unprivileged(command, user), directory / "redis.log", ready, cwd=directory):
        yield port


@contextlib.contextmanager
def stage(directory, tollgate, user, name, settings, pace=None):
    token = secrets.token_hex(24)
    settings = {"TOLLGATE_MASTER_KEY": bench.new_master_key(tollgate), "TOLLGATE_ADMIN__BOOTSTRAP_TOKEN": token,
                "TOLLGATE_RULES__MERCHANT_CPU_MS_PER_SECOND": "2000", **settings}
    served = bench.gateway(tollgate, user, directory / f"{name}.log", f"sqlite://{directory}/{name}.db", settings)
    with served as (process, public, admin):
        made = neighbours.Stage(admin, public, token, pace)
        made.provision()
        yield process, made


# What the guards cost


def checks(process, made, seconds):
    def load(length):
        # -t1: the load must leave a core to the gateway.
        output = bench.run(bench.program("wrk"), "-t1", f"-c{CLIENTS}", f"-d{length}s", "--latency", "-s",
                           bench.HERE / "load.lua", f"http://127.0.0.1:{made.port}/in/b/terminal", "--", "check",
                           secrets.randbelow(10**6))
        result = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
        if result["bad"] or result["broken"]:
            raise bench.Failure(f"checks failed: {result['sample']}")
        return result

    load(2)
    before = bench.cpu_seconds(process.pid)
    result = load(seconds)
    spent = bench.cpu_seconds(process.pid) - before
    return {"rate": result["good"] / result["seconds"], "cpu": 1e6 * spent / result["good"]}


def cost(directory, tollgate, user, options):
    with redis(directory, user) as port:
        turns = {"no rates": {}, "six windows, in the process": WINDOWS,
                 "six windows, in Redis": {**WINDOWS, "TOLLGATE_REDIS__URL": f"redis://127.0.0.1:{port}/"}}
        results = {name: [] for name in turns}
        for number in range(options.rounds):
            for at, (name, settings) in enumerate(turns.items()):
                with stage(directory, tollgate, user, f"cost-{number}-{at}", settings) as (process, made):
                    results[name].append(checks(process, made, options.seconds))
            print(f"round {number + 1}: {[round(turn[-1]['cpu'], 1) for turn in results.values()]} µs", file=sys.stderr)
    return results


def cost_report(results):
    def median(name, key):
        return statistics.median(result[key] for result in results[name])

    first = next(iter(results))
    rows = [[name, bench.spread([result["rate"] for result in turns]),
             bench.spread([result["cpu"] for result in turns], "{:.1f}"),
             "–" if name == first else f"{median(name, 'cpu') - median(first, 'cpu'):+.1f}"]
            for name, turns in results.items()]
    return ("## What rates cost a check\n\n"
            + bench.table(["rates", "checks/s", "CPU µs of a check", "more"], rows))


# What they spare a neighbour


@contextlib.contextmanager
def bare_server(directory, program):
    port = bench.free_port()
    with bench.serving(bench.unprivileged([program, port], None), directory / "constant.log",
                       lambda: bench.fetch(f"http://127.0.0.1:{port}/")[0] == 200):
        yield port


def flood(directory, tollgate, user, options):
    settings = {"TOLLGATE_LIMITS__CONNECTION_IN_FLIGHT": "15", "TOLLGATE_LIMITS__WAIT_MS": "50"}
    turns = {"alone": [], "beside the crowd, which asks a bare server": [], "beside the flood": []}
    with (stage(directory, tollgate, user, "flood", settings, options.pace) as (_, made),
          bare_server(directory, options.constant) as bare):
        window = {"name": "second", "requests": A_LIMIT, "seconds": 1}
        status, answer = made.call("PUT", "/a/limits", {"rates": [window]})
        if status != 200:
            raise bench.Failure(f"the limit was refused: {answer}")
        neighbours.alone(made, 2)
        for number in range(options.rounds):
            for (name, results), port in zip(turns.items(), (None, bare, made.port)):
                crowd = port and neighbours.pace(made.pace, port, "a", A_TIMES * A_LIMIT, A_CONNECTIONS, options.seconds)
                result = neighbours.alone(made, options.seconds)
                if crowd:
                    result["crowd"] = neighbours.result_of(crowd)
                results.append(result)
            print(f"round {number + 1}: p99 {[round(turn[-1]['p99'], 2) for turn in turns.values()]} ms", file=sys.stderr)
    return turns


def flood_report(turns):
    rows = [[name, sum(result["sent"] for result in results), sum(result["failed"] for result in results),
             bench.spread([result["p50"] for result in results], "{:.2f}"),
             bench.spread([result["p99"] for result in results], "{:.2f}"),
             "; ".join(f"{result['crowd']['sent'] - result['crowd']['failed']} of {result['crowd']['sent']}"
                       for result in results if "crowd" in result) or "–"] for name, results in turns.items()]
    alone, crowd, beside = (statistics.median(result["p99"] for result in results) for results in turns.values())
    verdict = "met" if beside <= crowd * (1 + AIM) else "missed"
    return "\n\n".join([
        "## A neighbour that floods",
        bench.table(["B is", "B's checks", "failed", "p50 ms", "p99 ms", "A let in"], rows),
        f"B's p99 moves by **{100 * (beside / crowd - 1):+.0f} %** when the crowd asks the gateway and not another server "
        f"(aim ≤ {100 * AIM:.0f} %: {verdict}), and by {100 * (beside / alone - 1):+.0f} % against a machine without any "
        f"crowd: the load comes from the same cores. B sends {neighbours.B_RATE}/s over {neighbours.B_CONNECTIONS} "
        f"connections; A, limited to {A_LIMIT}/s, sends {A_TIMES * A_LIMIT}/s over {A_CONNECTIONS}.",
    ])


# GCRA in Redis


def operations(directory, user, options):
    count = "20000" if options.quick else "200000"
    rows = []
    with redis(directory, user) as port:
        loaded = bench.run(bench.program("redis-cli"), "-p", port, "SCRIPT", "LOAD", TAKE.read_text()).strip()
        commands = {
            "INCR": ["INCR", "count"],
            "take, one window": ["EVALSHA", loaded, "1", "{m}:a", "1", "10.000", "1000000"],
            "take, six windows": ["EVALSHA", loaded, "6", *(f"{{m}}:{n}" for n in range(6)), "1",
                                  *(["10.000", "1000000"] * 6)],
        }
        for clients, pipeline in ((1, 1), (50, 1), (50, 16)):
            rates = {}
            for name, command in commands.items():
                output = bench.run(bench.program("redis-benchmark"), "-p", port, "-n", count, "-c", clients, "-P",
                                   pipeline, "--csv", *command)
                last = output.strip().splitlines()[-1]
                fields = re.findall(r'"([^"]*)"', last)
                rates[name] = (float(fields[1]), fields[4] if len(fields) > 4 else "–")
            base = rates["INCR"][0]
            for name, (rate, p50) in rates.items():
                rows.append([name, clients, pipeline, f"{rate:,.0f}", f"{rate / base:.2f}", p50])
    return ("## Permits in Redis\n\n"
            + bench.table(["command", "clients", "pipelined", "per second", "of INCR", "p50 ms"], rows))


def main():
    options = bench.usual_options(__doc__, 15, 3, programs=["--pace", "--constant"])
    try:
        with bench.workplace(options.tollgate, "guards") as (directory, tollgate, user):
            turns = flood(directory, tollgate, user, options)
            parts = [cost_report(cost(directory, tollgate, user, options)), flood_report(turns),
                     operations(directory, user, options)]
    except bench.Failure as failure:
        bench.give_up("guards", failure)
    text = "\n\n".join(parts) + "\n"
    bench.tell(text, options.output)
    failed = [result["sample"] for results in turns.values() for result in results if result["failed"]]
    if failed:
        sys.exit(f"guards: checks of B failed, such as {failed[0]}")


if __name__ == "__main__":
    main()
