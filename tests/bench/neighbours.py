#!/usr/bin/env python3
"""Measures what a merchant notices of another one that attacks with its scripts, over the wire, and prints a table.

One gateway on SQLite with two merchants. B sends checks at a constant rate, each timed from the moment when it was due;
A sends nothing, then honest checks, then the same number of checks while its script is one attack after the other: the
engine's corpus, and scripts that go to the edge of every limit and then accept. Fails if any of B's checks fails.
"""

import json
import pathlib
import re
import secrets
import statistics
import subprocess
import sys
import time

import bench

ATTACKS = bench.HERE.parent.parent / "gateway/rules/tests/attacks"
B_RATE, B_CONNECTIONS = 200, 16
A_RATE, A_CONNECTIONS = 300, 64
AIM_MS = 2.0
HONEST = "return { check = function(request) return accept { comment = 'OK' } end }"
# To the edge of the steps, the memory, the time between two looks at the clock, the questions; never over it.
AT_THE_LIMITS = {
    "steps": "for i = 1, 19900 do end",
    "calls": "local function f(n) if n > 0 then return f(n - 1) end end for i = 1, 19 do f(1000) end",
    "patterns": "for i = 1, 8 do pcall(string.find, ('a'):rep(150), ('a?'):rep(5) .. 'b') end",
    "texts": "local text = ('a'):rep(60000) for i = 1, 400 do text:upper() end",
    "memory": "local t = {} for i = 1, 60 do t[i] = table.create(4000, i) end",
    "sort": "local t = {} for i = 1, 900 do t[i] = i * 7919 % 997 end table.sort(t, function(a, b) return a < b end)",
    "questions": "for i = 1, 15 do ctx.velocity('k' .. i, '1h') end for i = 1, 19000 do end",
}


def attacks():
    """(name, source): those of the corpus that need no expanding, and those at the limits."""
    for path in sorted(ATTACKS.glob("*.lua")):
        text = path.read_text()
        if not re.search(r"(NEST|TABLES|LOCALS|NUMBERS|REPEAT)\(", text):
            yield path.stem, text
    for name, body in AT_THE_LIMITS.items():
        yield f"at the limit: {name}", f"return {{ check = function(request, ctx) {body} return accept() end }}"


# Load


def pace(program, port, merchant, rate, connections, seconds):
    """Checks of a merchant at a constant rate, from a process of its own."""
    command = [program, port, f"/in/{merchant}/terminal", rate, connections, seconds]
    return subprocess.Popen(list(map(str, bench.unprivileged(command, None))), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, text=True)


def result_of(process):
    output, _ = process.communicate(timeout=600)
    if process.returncode != 0:
        raise bench.Failure("a load generator failed")
    return json.loads(output)


# The gateway


class Stage:
    def __init__(self, admin, public, token, pace):
        self.url, self.port, self.token = f"http://127.0.0.1:{admin}/admin/v1/merchants", public, token
        self.pace = pace

    def call(self, method, path, body):
        return bench.fetch(self.url + path, method, self.token, body)

    def provision(self):
        for merchant in ("a", "b"):
            for method, path, body in (
                ("POST", "", {"slug": merchant, "name": merchant.upper()}),
                ("POST", f"/{merchant}/connections", {"slug": "terminal", "plugin": "terminal", "config": {
                    "variant": "BC", "auth": "none", "subnets": ["127.0.0.0/8"]}}),
            ):
                status, answer = self.call(method, path, body)
                if not 200 <= status < 300:
                    raise bench.Failure(f"{method} {path} answered {status}: {answer}")
            if not self.publish(merchant, HONEST):
                raise bench.Failure("the honest script was refused")

    def publish(self, merchant, source):
        return 200 <= self.call("PUT", f"/{merchant}/rules", {"source": source, "message": "bench"})[0] < 300


def alone(stage, seconds):
    return result_of(pace(stage.pace, stage.port, "b", B_RATE, B_CONNECTIONS, seconds))


def beside(stage, seconds, rate, during):
    neighbour = pace(stage.pace, stage.port, "a", rate, A_CONNECTIONS, seconds)
    mine = pace(stage.pace, stage.port, "b", B_RATE, B_CONNECTIONS, seconds)
    until = time.monotonic() + seconds
    during(until)
    result = result_of(mine)
    result["neighbour"] = result_of(neighbour)
    return result


def attack(stage, each):
    """Publishes one attack after the other until the time is over; notes which were refused when they were saved."""
    told = {"ran": set(), "refused": set()}

    def during(until):
        while True:
            for name, source in attacks():
                if time.monotonic() >= until:
                    return
                told["ran" if stage.publish("a", source) else "refused"].add(name)
                time.sleep(each)

    return told, during


def rounds(stage, options):
    turns = {"alone": [], "beside honest traffic": [], "beside attacks": []}
    told = {"ran": set(), "refused": set()}
    count = sum(1 for _ in attacks())
    alone(stage, 2)
    for number in range(options.rounds):
        turns["alone"].append(alone(stage, options.seconds))
        stage.publish("a", HONEST)
        turns["beside honest traffic"].append(beside(stage, options.seconds, A_RATE, lambda _: None))
        ran, during = attack(stage, max(0.05, options.seconds / count - 0.05))
        turns["beside attacks"].append(beside(stage, options.seconds, A_RATE, during))
        for kind, names in ran.items():
            told[kind] |= names
        print(f"round {number + 1}: p99 {[round(turn[-1]['p99'], 2) for turn in turns.values()]} ms", file=sys.stderr)
    return turns, told


def report(turns, told):
    def median(results, key):
        return statistics.median(result[key] for result in results)

    rows = []
    for name, results in turns.items():
        answered = [f"{result['neighbour']['sent'] - result['neighbour']['failed']} of {result['neighbour']['sent']}"
                    for result in results if "neighbour" in result]
        rows.append([name, sum(result["sent"] for result in results), sum(result["failed"] for result in results),
                     bench.spread([result["p50"] for result in results], "{:.2f}"),
                     bench.spread([result["p99"] for result in results], "{:.2f}"),
                     f"{median(results, 'p999'):.2f}", f"{max(result['most'] for result in results):.1f}",
                     "; ".join(answered) or "–"])
    rise = median(turns["beside attacks"], "p99") - median(turns["alone"], "p99")
    return "\n\n".join([
        "## A neighbour that attacks",
        bench.table(["B is", "B's checks", "failed", "p50 ms", "p99 ms", "p99.9 ms", "longest ms", "A accepted"], rows),
        f"B's p99 rises by **{rise:.2f} ms** beside attacks (aim ≤ {AIM_MS:.0f}: {'met' if rise <= AIM_MS else 'missed'}). "
        f"B sends {B_RATE}/s over {B_CONNECTIONS} connections, A {A_RATE}/s over {A_CONNECTIONS}; {len(told['ran'])} "
        f"attacks ran, {len(told['refused'])} were refused when they were published.",
    ]) + "\n"


def main():
    options = bench.usual_options(__doc__, 30.0, 5, programs=["--pace"])
    try:
        with bench.workplace(options.tollgate, "neighbours") as (directory, tollgate, user):
            token = secrets.token_hex(24)
            settings = {"TOLLGATE_MASTER_KEY": bench.new_master_key(tollgate), "TOLLGATE_ADMIN__BOOTSTRAP_TOKEN": token}
            database = f"sqlite://{directory}/tollgate.db"
            served = bench.gateway(tollgate, user, directory / "tollgate.log", database, settings)
            with served as (_, public, admin):
                stage = Stage(admin, public, token, options.pace)
                stage.provision()
                turns, told = rounds(stage, options)
    except bench.Failure as failure:
        bench.give_up("neighbours", failure)
    text = report(turns, told)
    bench.tell(text, options.output)
    failed = [result["sample"] for results in turns.values() for result in results if result["failed"]]
    if failed:
        sys.exit(f"neighbours: checks of B failed, such as {failed[0]}")


if __name__ == "__main__":
    main()
