"""Fills a gateway's SQLite database with payments of one merchant, spread over thirty days, as its own writer would have
stored them: python3 seed_payments.py <database> <merchant's slug> <how many>"""

import json
import random
import sqlite3
import sys
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
DAYS = 30
# So that nobody else waits for the one writer for long.
AT_ONCE = 20_000
# Numbers that the gateway itself does not reach.
FIRST_NUMBER = 1_000_000_000
STATUSES = ["succeeded"] * 90 + ["declined"] * 10
REASONS = ["account_not_found", "amount_too_large", "forbidden"]
COLUMNS = (
    "id, merchant_id, connection_id, channel, key1, key2, number, account, amount_minor, currency, exponent, fee_minor,"
    " currency_text, service, status, reason, answer, booked_text, booked_at, booking_suspect, extras, received_at, created_at"
)


def ulid(milliseconds, dice):
    value = milliseconds << 80 | dice.getrandbits(80)
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def moment(milliseconds):
    seconds, rest = divmod(milliseconds, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03}+00:00"


def rows(merchant, connection, count, dice):
    now = int(time.time() * 1000)
    first = now - DAYS * 86_400_000
    for index in range(count):
        made = first + (now - first) * index // count
        status = dice.choice(STATUSES)
        at = moment(made)
        yield (
            f"pay_{ulid(made, dice)}",
            merchant,
            connection,
            "terminal",
            str(5_000_000_000_000 + index),
            "",
            FIRST_NUMBER + index,
            f"9{dice.randrange(100_000_000, 150_000_000)}",
            dice.choice([5_000, 10_000, 25_000, 50_000, dice.randrange(1_000, 1_500_000)]),
            "RUB",
            2,
            None,
            "RUB",
            None,
            status,
            dice.choice(REASONS) if status == "declined" else None,
            "<response><result>0</result></response>",
            None,
            None,
            False,
            json.dumps({}),
            at,
            at,
        )


def main():
    database, slug, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    connection = sqlite3.connect(database, timeout=60)
    merchant, way = connection.execute(
        "SELECT m.id, c.id FROM merchants m JOIN connections c ON c.merchant_id = m.id"
        " WHERE m.slug = ? AND c.slug = 'terminal'",
        (slug,),
    ).fetchone()
    insert = f"INSERT INTO payments ({COLUMNS}) VALUES ({', '.join('?' * 23)})"
    waiting = []
    for row in rows(merchant, way, count, random.Random(1)):
        waiting.append(row)
        if len(waiting) == AT_ONCE:
            with connection:
                connection.executemany(insert, waiting)
            waiting.clear()
    with connection:
        connection.executemany(insert, waiting)
    print(connection.execute("SELECT count(*) FROM payments").fetchone()[0], "payments")


main()
