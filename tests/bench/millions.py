#!/usr/bin/env python3
"""Measures what people ask of the ledger when it holds ten thousand payments, and again when it holds ten million.

Each question goes over REST to the gateway, one after the other, on one connection; PostgreSQL has analysed its tables
before. The newest ten thousand payments are of the last day in both cases.
"""

import argparse
import http.client
import itertools
import json
import pathlib
import secrets
import statistics
import subprocess
import sys
import time

import bench

FEW, MANY = 10_000, 10_000_000
ASKED = 300
DAY_SECONDS = 86_400
# Pages that are read before, so that each question is for another payment or place.
PAGES = 20
AIM = 2.0
LIST = "/admin/v1/merchants/bench/payments"


def fill(made, start, count):
    began = time.monotonic()
    text = (bench.HERE / "payments.sql").read_text().replace("@COUNT@", str(count)).replace("@FROM@", str(start))
    made.sql("tollgate", text)
    for table in ("payments", "orders"):
        made.sql("tollgate", f"VACUUM ANALYZE {table}")
    stored = int(made.sql("tollgate", "SELECT count(*) FROM payments WHERE key1 LIKE '7%'"))
    if stored != count:
        raise bench.Failure(f"{stored} payments instead of {count}")
    return time.monotonic() - began


class Office:
    def __init__(self, port, token):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.token = token

    def get(self, path):
        began = time.perf_counter()
        self.http.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        answer = self.http.getresponse()
        body = answer.read()
        taken = time.perf_counter() - began
        if answer.status != 200:
            raise bench.Failure(f"GET {path} answered {answer.status}: {body[:300]}")
        return json.loads(body), taken


def questions(office, count):
    """(name, how to ask once): each looks for another payment each time."""
    def any_number():
        return secrets.randbelow(count)

    def found(answer):
        if not answer["data"]:
            raise bench.Failure("a payment was not found")

    def search(words):
        def ask():
            answer, taken = office.get(f"{LIST}?search={words(any_number())}&limit=20")
            found(answer)
            return taken
        return ask

    ids, cursors, after = [], [], ""
    for _ in range(PAGES):
        some, _ = office.get(f"{LIST}?limit=50{after}")
        ids += [payment["id"] for payment in some["data"]]
        cursors.append(some["next"])
        after = f"&cursor={cursors[-1]}"

    def page():
        answer, taken = office.get(f"{LIST}?limit=50")
        found(answer)
        return taken

    def next_page():
        answer, taken = office.get(f"{LIST}?limit=50&cursor={secrets.choice(cursors)}")
        found(answer)
        return taken

    def overview(path):
        # An answer is kept for a while, so each question is for a day of another length.
        spans = itertools.count(DAY_SECONDS)
        return lambda: office.get(f"{path}?span_s={next(spans)}")[1]

    return [
        ("search by the network's id", search(lambda number: 700000000000000000 + number)),
        ("search by our number", search(lambda number: 1000000000 + number)),
        ("search by account", search(lambda number: f"4{number * 7919 % 1000000000:09d}")),
        ("search by our id", lambda: office.get(f"{LIST}?search={secrets.choice(ids)}&limit=20")[1]),
        ("search in all merchants", lambda: office.get(f"/admin/v1/search?q={700000000000000000 + any_number()}")[1]),
        ("first page of payments", page),
        ("a further page", next_page),
        ("only declined ones", lambda: office.get(f"{LIST}?limit=50&status=declined")[1]),
        ("overview of a merchant", overview("/admin/v1/merchants/bench/overview")),
        ("overview of all", overview("/admin/v1/overview")),
    ]


def asked(made, count, times):
    with made.running_tollgate("postgres"):
        office = Office(made.admin_port, made.token)
        figures = {}
        for name, ask in questions(office, count):
            for _ in range(5):
                ask()
            taken = sorted(1000 * ask() for _ in range(times))
            figures[name] = (statistics.median(taken), taken[int(len(taken) * 0.99)])
    return figures


def report(few, many, count, seconds, size):
    rows = []
    for name, (median, p99) in many.items():
        ratio = median / few[name][0]
        rows.append([name, f"{few[name][0]:.2f}", f"{few[name][1]:.2f}", f"{median:.2f}", f"{p99:.2f}", f"**{ratio:.2f}**",
                     "yes" if ratio <= AIM else "**no**"])
    return "\n\n".join([
        "## Ten million payments",
        bench.table(["Question", f"{FEW:,}: median ms", "p99 ms", f"{count:,}: median ms", "p99 ms", "Ratio", f"≤ {AIM:g}"], rows),
        f"The table with its indexes takes {size}; filling it took {seconds:.0f} s.",
    ]) + "\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tollgate", type=pathlib.Path, required=True, help="our binary")
    parser.add_argument("--payments", type=int, default=MANY)
    parser.add_argument("--quick", action="store_true", help="200,000 payments, each question 50 times")
    parser.add_argument("--output", type=pathlib.Path, help="write the report here too")
    options = parser.parse_args()
    options.times = ASKED
    if options.quick:
        options.payments, options.times = 200_000, 50
    return options


def main():
    options = arguments()
    try:
        with bench.workplace(options.tollgate, "millions") as (directory, tollgate, _):
            made = bench.Bench(directory, tollgate, 1)
            with made.running_postgres():
                with made.running_tollgate("postgres"):
                    pass
                fill(made, 0, FEW)
                few = asked(made, FEW, options.times)
                seconds = fill(made, FEW, options.payments)
                many = asked(made, options.payments, options.times)
                size = made.sql("tollgate", "SELECT pg_size_pretty(pg_total_relation_size('payments'))")
    except (bench.Failure, subprocess.SubprocessError) as failure:
        bench.give_up("millions", failure)
    text = report(few, many, options.payments, seconds, size)
    bench.tell(text, options.output)


if __name__ == "__main__":
    sys.exit(main())
