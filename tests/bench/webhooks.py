#!/usr/bin/env python3
"""Measures webhooks: how many a second are delivered, and how late at a constant rate; beside a plain HTTP client.

Pays make events, each is delivered to a sink of ours that answers 200 at once (one process, Python's asyncio). The peer
is a loop around the same HTTP client, which posts a body of the same size to the same sink.
"""

import asyncio
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import time

import bench

RATE = 2_000
PEER_CONNECTIONS = 16
AIM = 0.5


# The sink, in a process of its own


class Sink(asyncio.Protocol):
    """The least of HTTP/1.1 that a client is happy with. Notes each event's first arrival and how old it was then."""

    seen = {}

    def connection_made(self, transport):
        self.transport, self.kept = transport, b""

    def data_received(self, data):
        self.kept += data
        while (end := self.kept.find(b"\r\n\r\n")) >= 0:
            head = self.kept[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15:].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.kept) < end + 4 + size:
                return
            body, self.kept = self.kept[end + 4:end + 4 + size], self.kept[end + 4 + size:]
            self.transport.write(self.answer(head, body))

    def answer(self, head, body):
        if head.startswith(b"get /figures"):
            text = json.dumps(self.figures()).encode()
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
        if head.startswith(b"get /forget"):
            Sink.seen = {}
        at = head.find(b"webhook-id: ")
        if at >= 0:
            event = head[at + 12:].split(b"\r\n", 1)[0]
            Sink.seen.setdefault(event, (time.time(), json.loads(body)["timestamp"]))
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    @staticmethod
    def figures():
        from datetime import datetime
        lags = sorted(at - datetime.fromisoformat(made.replace("Z", "+00:00")).timestamp() for at, made in Sink.seen.values())
        times = sorted(at for at, _ in Sink.seen.values())
        if not lags:
            return {"count": 0}
        return {"count": len(lags), "first": times[0], "last": times[-1], "p50": lags[len(lags) // 2],
                "p99": lags[int(len(lags) * 0.99)]}


async def sink(port):
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


@contextlib.contextmanager
def running_sink(made):
    port = bench.free_port()
    url = f"http://127.0.0.1:{port}"
    command = bench.unprivileged([sys.executable, __file__, "--sink", port], None)
    with bench.serving(command, made.directory / "sink.log", lambda: bench.fetch(url + "/figures")[0] == 200):
        yield url


# Turns


@contextlib.contextmanager
def delivering(made, sink_url):
    with made.running_tollgate("postgres", {"TOLLGATE_WEBHOOKS__ALLOW_NETWORKS": "127.0.0.0/8"}) as (process, url):
        merchants = f"http://127.0.0.1:{made.admin_port}/admin/v1/merchants"
        status, answer = bench.fetch(f"{merchants}/bench/webhook-endpoints", "POST", made.token, {"url": sink_url + "/hook"})
        if status != 201:
            raise bench.Failure(f"the endpoint was refused: {answer}")
        time.sleep(1)
        yield process, url
        status, answer = bench.fetch(f"{merchants}/bench/webhook-endpoints/{json.loads(answer)['id']}", "DELETE", made.token)


def arrived(sink_url, expected, patience=120):
    deadline = time.monotonic() + patience
    while True:
        figures = json.loads(bench.fetch(sink_url + "/figures")[1])
        if figures["count"] >= expected:
            return figures
        if time.monotonic() > deadline:
            raise bench.Failure(f"{figures['count']} of {expected} events arrived")
        time.sleep(0.2)


def turn(made, post, seconds):
    with running_sink(made) as sink_url:
        with delivering(made, sink_url) as (_, url):
            made.wrk(url, "pay", 16, bench.WARM_UP_SECONDS)
            time.sleep(2)
            bench.fetch(sink_url + "/forget")
            paced = made.wrk(url, "pay", 64, seconds, RATE)
            figures = arrived(sink_url, paced["good"])
            bench.fetch(sink_url + "/forget")
            burst = made.wrk(url, "pay", 64, seconds)
            most = arrived(sink_url, burst["good"])
        peer = float(bench.run(post, sink_url + "/hook", PEER_CONNECTIONS, seconds))
    return {"sent": paced["good"] / paced["seconds"], "p50": figures["p50"], "p99": figures["p99"],
            "rate": most["count"] / (most["last"] - most["first"]), "peer": peer}


def report(rounds):
    def median(key):
        return statistics.median(one[key] for one in rounds)

    ratio = median("rate") / median("peer")
    rows = [["events at a constant rate", f"{median('sent'):,.0f}/s made", f"lag p50 {1000 * median('p50'):.0f} ms, p99 {1000 * median('p99'):.0f} ms"],
            ["as many pays as 64 clients make", f"{median('rate'):,.0f}/s delivered", "each a request of its own, signed, its attempt stored"],
            ["a loop around an HTTP client, to the same sink", f"{median('peer'):,.0f}/s", f"{PEER_CONNECTIONS} connections, nothing signed, nothing stored"]]
    return "\n\n".join([
        "## Webhooks", bench.table(["What", "Rate", ""], rows),
        f"Ratio **{ratio:.2f}** (aim ≥ {AIM}: {'met' if ratio >= AIM else '**missed**'}). While events are made, pays, database, "
        "deliveries and sink share the cores.",
    ]) + "\n"


def main():
    options = bench.usual_options(__doc__, 10, 3, rounds=2, further=[("--sink", int)], programs=["--post"])
    if options.sink:
        return asyncio.run(sink(options.sink))
    try:
        with bench.workplace(options.tollgate, "webhooks") as (directory, tollgate, _):
            made = bench.Bench(directory, tollgate, options.seconds)
            with made.running_postgres():
                rounds = [turn(made, options.post, options.seconds) for _ in range(options.rounds)]
    except (bench.Failure, subprocess.SubprocessError) as failure:
        bench.give_up("webhooks", failure)
    text = report(rounds)
    bench.tell(text, options.output)


if __name__ == "__main__":
    sys.exit(main())
