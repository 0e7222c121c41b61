#!/usr/bin/env python3
"""Measures the merchants' API beside the network that it speaks to: a held payment and its capture, again and again.

Ours goes through API key, idempotency key, intent in the database, the network's simulator, outcome and event in the
database. The peer is the same simulator, asked directly. Both runs use the same number of connections.
"""

import contextlib
import json
import pathlib
import statistics
import subprocess
import sys

import bench

CLIENTS = 32
AIM = 0.5


@contextlib.contextmanager
def sandbox(made):
    port = bench.free_port()
    url = f"http://127.0.0.1:{port}"
    command = bench.unprivileged([made.tollgate, "sandbox", "--listen", f"127.0.0.1:{port}"], made.user)
    with bench.serving(command, made.directory / "sandbox.log", lambda: bench.fetch(url + "/")[0] == 200,
                       env=bench.own_environment(), cwd=made.directory) as process:
        yield process, url


def called(method, url, token=None, body=None):
    status, answer = bench.fetch(url, method, token, body)
    if not 200 <= status < 300:
        raise bench.Failure(f"{method} {url} answered {status}: {answer}")
    return json.loads(answer) if answer else None


@contextlib.contextmanager
def ours(made, network):
    """Gives the process, the URL of `/v1` and an API key."""
    url = f"postgres://bench@127.0.0.1:{made.postgres_port}/tollgate"
    made.master_key = getattr(made, "master_key", None) or bench.new_master_key(made.tollgate)
    settings = {"TOLLGATE_MASTER_KEY": made.master_key, "TOLLGATE_ADMIN__BOOTSTRAP_TOKEN": made.token,
                "TOLLGATE_CONNECTORS__ALLOW_NETWORKS": "127.0.0.0/8", "TOLLGATE_LIMITS__KEY_IN_FLIGHT": "10000",
                "TOLLGATE_LIMITS__KEY_RATES": ""}
    with bench.gateway(made.tollgate, made.user, made.directory / "tollgate.log", url, settings) as (process, public, admin):
        merchants = f"http://127.0.0.1:{admin}/admin/v1/merchants"
        slug = f"shop{made.runs}"
        called("POST", merchants, made.token, {"slug": slug, "name": "Shop"})
        config = called("POST", network + "/sandbox/connect", None, {"notify": f"http://127.0.0.1:{public}/in/{slug}"})["payin"]
        called("POST", f"{merchants}/{slug}/connections", made.token, {"slug": "payin", "plugin": "payin", "config": config})
        key = called("POST", f"{merchants}/{slug}/api_keys", made.token, {"name": "bench", "scopes": ["*"]})
        yield process, f"http://127.0.0.1:{public}/v1", key["key"]


def load(made, url, whom, token, seconds):
    made.runs += 1
    output = bench.run(bench.program("wrk"), "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--timeout", "20s", "-s",
                       bench.HERE / "orders.lua", url, "--", whom, token, made.runs)
    result = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    # Of those that wait in the end, one for each connection is held and not captured.
    uncaptured = result["good"] - 2 * result["taken"]
    if result["bad"] or result["broken"] or not result["good"] or abs(uncaptured) > 2 * CLIENTS:
        raise bench.Failure(f"{url}: {result}")
    result["rate"] = result["good"] / result["seconds"]
    return result


def direct(made, seconds):
    with sandbox(made) as (_, network):
        config = called("POST", network + "/sandbox/connect", None, {"notify": "http://127.0.0.1:9/"})["payin"]
        url = f"{config['base_url'].rstrip('/')}/payin/v1/sites/{config['site_id']}"
        load(made, url, "network", config["api_key"], bench.WARM_UP_SECONDS)
        return load(made, url, "network", config["api_key"], seconds)


def through(made, seconds):
    with sandbox(made) as (_, network), ours(made, network) as (_, url, key):
        load(made, url, "gateway", key, bench.WARM_UP_SECONDS)
        return load(made, url, "gateway", key, seconds)


def report(rounds):
    mine, their = [one[0] for one in rounds], [one[1] for one in rounds]
    ratio = statistics.median(one["rate"] for one in mine) / statistics.median(one["rate"] for one in their)

    def ms(results, key):
        return f"{statistics.median(one[key] for one in results) / 1000:.2f}"

    rows = [[name, bench.spread([one["rate"] for one in results]), ms(results, "p50_us"), ms(results, "p99_us")]
            for name, results in (("tollgate, PostgreSQL", mine), ("the simulator, asked directly", their))]
    return "\n\n".join([
        "## The merchants' API",
        bench.table(["Who", "Requests/s", "p50 ms", "p99 ms"], rows),
        f"Ratio **{ratio:.2f}** (aim ≥ {AIM}: {'met' if ratio >= AIM else '**missed**'}). Half of the requests make a held "
        f"payment by card, half capture one; {CLIENTS} connections, one load generator on the same cores.",
    ]) + "\n"


def main():
    options = bench.usual_options(__doc__, 8, 3)
    try:
        with bench.workplace(options.tollgate, "api") as (directory, tollgate, _):
            made = bench.Bench(directory, tollgate, options.seconds)
            with made.running_postgres():
                rounds = [(through(made, options.seconds), direct(made, options.seconds)) for _ in range(options.rounds)]
    except (bench.Failure, subprocess.SubprocessError) as failure:
        bench.give_up("api", failure)
    text = report(rounds)
    bench.tell(text, options.output)


if __name__ == "__main__":
    sys.exit(main())
