#!/usr/bin/env python3
"""Measures Tollgate beside its peers, in turns on one machine, and prints a markdown report.

Everything runs as a private process on a free loopback port with files of its own, is ended by its process id, and
lives only for its own turn (PostgreSQL: for the whole run). A turn whose answers are not all real successes, or whose
database does not hold what was acknowledged, fails the run.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import pwd
import re
import resource
import secrets
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CHECK_CLIENTS = 64
PAY_CLIENTS = (16, 64)
WARM_UP_SECONDS = 1
MEMORY_MB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
# What docs/operations.md says of a database for payments.
POSTGRES_SETTINGS = {"shared_buffers": f"{min(4096, MEMORY_MB // 4)}MB", "min_wal_size": "4GB", "max_wal_size": "8GB",
                     "bgwriter_delay": "50ms", "bgwriter_lru_maxpages": "1000", "max_connections": "300"}
# Of 16 MB: `min_wal_size`.
WAL_FILES = 256
# The ratios that we want to reach, ours to the peer's.
AIMS = {"nginx + lua": 0.5, "HAProxy + lua": 1.2, "bare actix-web, a constant": 0.35, "pgbench, same rows": 1.5,
        "pgbench, single row": 0.7, "nginx + php-fpm + PDO": 4.0, "bare loop of one-row commits": 5.0}
# Where ours differ from the aim above: (ours, peer).
FURTHER_AIMS = {("tollgate, PostgreSQL, 10,000 merchants", "HAProxy + lua"): 1.0}
# An aim of ours on one database alone.
ONLY_FOR = {"bare loop of one-row commits": "tollgate, SQLite", "pgbench, same rows": "tollgate, PostgreSQL",
            "pgbench, single row": "tollgate, PostgreSQL", "nginx + php-fpm + PDO": "tollgate, PostgreSQL"}
# What a short run must reach: (ours, peer): ratio. Half of what long runs on a quiet machine gave, so that noise passes and
# something that costs twice as much does not. See docs/benchmarks.md.
FLOORS = {("tollgate, SQLite", "nginx + lua"): 0.08, ("tollgate, PostgreSQL", "nginx + lua"): 0.06,
          ("tollgate, PostgreSQL", "pgbench, same rows"): 0.36, ("tollgate, PostgreSQL", "nginx + php-fpm + PDO"): 0.7,
          ("tollgate, SQLite", "bare loop of one-row commits"): 0.24}
MANY_MERCHANTS = 10_000
# Until each of them was asked for once: a node reads a merchant's configuration with its first request.
MANY_WARM_UP_SECONDS = 30
GOOD_ACCOUNT, BAD_ACCOUNT = "4000000002", "4000000003"


class Failure(Exception):
    # Of the server that was in its turn.
    log = None


# Processes


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server_user():
    """Whom servers run as: PostgreSQL refuses root, and no other one needs it."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Failure("running as root, and neither the user postgres nor nobody exists")


def unprivileged(command, user):
    """The command as a server that ends even when we are killed outright."""
    become = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"] if user else []
    return ["setpriv", "--pdeathsig", "TERM", *become, *command]


def program(name):
    """PostgreSQL's programs and Debian's servers are outside of a user's PATH."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    path = os.pathsep.join([*map(str, versions), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise Failure(f"{name} is missing; run tests/setup.sh bench")
    return found


def php_fpm():
    found = sorted(pathlib.Path("/usr/sbin").glob("php-fpm*"))
    return str(found[-1]) if found else program("php-fpm")


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failure(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


@contextlib.contextmanager
def serving(command, log, ready, stop=signal.SIGTERM, pause=0.05, **options):
    with open(log, "ab") as output:
        # Some servers open their log once more, by name and as their own user.
        owner = os.stat(log.parent)
        os.fchown(output.fileno(), owner.st_uid, owner.st_gid)
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            **options)
    try:
        deadline = time.monotonic() + 60
        while not ready():
            if process.poll() is not None:
                raise Failure("a server ended while starting")
            if time.monotonic() > deadline:
                raise Failure("a server was not ready within a minute")
            time.sleep(pause)
        yield process
        if process.poll() is not None:
            raise Failure("a server died")
    except Failure as failure:
        if failure.log is None:
            failure.log = log
        raise
    finally:
        process.send_signal(stop)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(f"killed, since it did not stop within 30 s: {command}", file=sys.stderr)


def tail(log):
    return log.read_text(errors="replace")[-3000:]


def cpu_seconds(root):
    """CPU time of a process with all its descendants, the ended ones included."""
    parents, spent = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
                spent[int(entry.name)] = sum(map(int, fields[11:15]))

    def belongs(pid):
        while pid and pid != root:
            pid = parents.get(pid, 0)
        return pid == root

    return sum(ticks for pid, ticks in spent.items() if belongs(pid)) / os.sysconf("SC_CLK_TCK")


def own_environment():
    """Nothing of the caller's own settings may change what is measured."""
    return {key: value for key, value in os.environ.items() if not key.startswith("TOLLGATE_")}


def new_master_key(tollgate):
    return run(tollgate, "keygen", env=own_environment()).strip()


# One merchant, from one address, makes all the load: the limits of everyday life would measure themselves.
UNLIMITED = {
    "TOLLGATE_LIMITS__MERCHANT_RATES": "", "TOLLGATE_LIMITS__MERCHANT_IN_FLIGHT": "10000",
    "TOLLGATE_LIMITS__MERCHANT_SOCKETS": "10000", "TOLLGATE_LIMITS__CONNECTION_IN_FLIGHT": "10000",
    "TOLLGATE_LIMITS__CONNECTION_SOCKETS": "10000", "TOLLGATE_SHEDDING__DELAY_MS": "10000",
    "TOLLGATE_SHEDDING__AFTER_MS": "60000",
}


@contextlib.contextmanager
def gateway(tollgate, user, log, url, settings, **options):
    """Our gateway on a database; gives the process, its public port and its admin port."""
    public, admin = free_port(), free_port()
    env = {**own_environment(), **UNLIMITED, **settings, "TOLLGATE_DATABASE__URL": url,
           "TOLLGATE_PUBLIC__LISTEN": f"127.0.0.1:{public}", "TOLLGATE_ADMIN__LISTEN": f"127.0.0.1:{admin}"}
    with serving(unprivileged([tollgate, "serve"], user), log,
                 lambda: fetch(f"http://127.0.0.1:{admin}/readyz")[0] == 200, env=env, cwd=log.parent,
                 **options) as process:
        yield process, public, admin


# HTTP


def fetch(url, method="GET", token=None, body=None):
    request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def query(command, account):
    moment = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 3 * 3600))
    date = f"&txn_date={moment}" if command == "pay" else ""
    txn_id = secrets.randbelow(10**17) + 10**17
    return f"?command={command}&txn_id={txn_id}&account={account}&sum=10.45&ccy=RUB{date}"


def expect_rule(url):
    """The rule is on when it accepts a good account and refuses one with a wrong last digit."""
    deadline = time.monotonic() + 5
    while True:
        _, good = fetch(url + query("check", GOOD_ACCOUNT))
        _, bad = fetch(url + query("check", BAD_ACCOUNT))
        if "<result>0</result>" in good and "<result>5</result>" in bad:
            return
        if time.monotonic() > deadline:
            raise Failure(f"the rule does not decide at {url}:\naccepted account: {good}\nrefused account: {bad}")
        time.sleep(0.1)


# What runs


class Bench:
    def __init__(self, directory, tollgate, seconds, constant=None):
        self.directory = directory
        self.tollgate = tollgate
        # A server that answers a constant; without it that peer takes no part.
        self.constant = constant
        self.seconds = seconds
        self.user = server_user()
        self.runs = 100000
        self.token = secrets.token_hex(24)
        self.provisioned = set()
        self.multiplied = False
        self.postgres = None
        self.postgres_port = free_port()

    def place(self, name, **values):
        """A file of ours, filled in and where the servers' user may read it."""
        target = self.directory / pathlib.Path(name).name
        text = (HERE / name).read_text()
        for key, value in {"DIR": self.directory, **values}.items():
            text = text.replace(f"@{key}@", str(value))
        target.write_text(text)
        return target

    def multiply(self, count=MANY_MERCHANTS):
        """Many merchants like the one that was set up, straight into the database."""
        if self.multiplied:
            return
        self.multiplied = True
        self.sql("tollgate", (HERE / "merchants.sql").read_text().replace("@COUNT@", str(count)))

    # PostgreSQL

    @contextlib.contextmanager
    def running_postgres(self):
        data = self.directory / "postgres"
        run(*unprivileged([program("initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale",
                           "--no-instructions"], self.user), cwd=self.directory)
        settings = {**POSTGRES_SETTINGS, "port": self.postgres_port, "listen_addresses": "127.0.0.1",
                    "unix_socket_directories": ""}
        with (data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{key} = '{value}'\n" for key, value in settings.items())

        def ready():
            return subprocess.run([program("psql"), "-qXh", "127.0.0.1", "-p", str(self.postgres_port), "-U", "bench",
                                   "-c", "SELECT 1", "postgres"], capture_output=True, check=False).returncode == 0

        with serving(unprivileged([program("postgres"), "-D", data], self.user), self.directory / "postgres.log", ready,
                     stop=signal.SIGINT, cwd=self.directory) as self.postgres:
            self.sql("postgres", "CREATE DATABASE peers")
            self.sql("postgres", "CREATE DATABASE tollgate")
            run(*self.psql("peers"), "-f", HERE / "peers/tables.sql")
            yield

    def age_wal(self):
        """Gives the server the files of its log that one has which runs for a while, and uses again. A new one is written
        full of zeros first, and whoever commits meanwhile waits for it."""
        self.sql("postgres", f"DO $$ BEGIN FOR number IN 1..{WAL_FILES} LOOP "
                 "PERFORM pg_logical_emit_message(false, 'bench', ''); PERFORM pg_switch_wal(); END LOOP; END $$")
        self.sql("postgres", "CHECKPOINT")

    def psql(self, database):
        return [program("psql"), "-qXAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", self.postgres_port, "-U",
                "bench", database]

    def sql(self, database, statement):
        return run(*self.psql(database), "-c", statement).strip()

    # Contenders: each yields the URL that it is called at

    @contextlib.contextmanager
    def running_tollgate(self, database, further=None):
        """Our gateway, on `postgres` or `sqlite`, with one merchant whose rule is on."""
        url = (f"postgres://bench@127.0.0.1:{self.postgres_port}/tollgate" if database == "postgres"
               else f"sqlite://{self.directory}/tollgate.db")
        self.master_key = getattr(self, "master_key", None) or new_master_key(self.tollgate)
        settings = {
            "TOLLGATE_MASTER_KEY": self.master_key, "TOLLGATE_ADMIN__BOOTSTRAP_TOKEN": self.token,
            # One merchant makes all the load, which the default allowance of a quarter of a core would stop.
            "TOLLGATE_RULES__MERCHANT_CPU_MS_PER_SECOND": "2000", **(further or {}),
        }
        log = self.directory / f"tollgate-{database}.log"
        with gateway(self.tollgate, self.user, log, url, settings) as (process, public, admin):
            self.admin_port = admin
            if database not in self.provisioned:
                self.provision(f"http://127.0.0.1:{admin}/admin/v1/merchants")
                self.provisioned.add(database)
            expect_rule(f"http://127.0.0.1:{public}/in/bench/terminal")
            yield process, f"http://127.0.0.1:{public}/in/bench/terminal"

    def provision(self, merchants):
        for method, path, body in (
            ("POST", "", {"slug": "bench", "name": "Bench"}),
            ("POST", "/bench/connections", {"slug": "terminal", "plugin": "terminal", "config": {
                "variant": "BC", "auth": "none", "subnets": ["127.0.0.0/8"]}}),
            ("PUT", "/bench/rules", {"source": (HERE / "rule.lua").read_text(), "message": "bench"}),
        ):
            status, answer = fetch(merchants + path, method, self.token, body)
            if not 200 <= status < 300:
                raise Failure(f"{method} {merchants + path} answered {status}: {answer}")

    def nginx(self, conf, **values):
        port = free_port()
        conf = self.place(f"peers/{conf}", PORT=port, **values)
        url = f"http://127.0.0.1:{port}/payment"
        command = unprivileged([program("nginx"), "-p", self.directory, "-e", self.directory / "nginx.log", "-c", conf],
                               self.user)
        return url, serving(command, self.directory / "nginx.log", lambda: fetch(url)[0] != 0)

    @contextlib.contextmanager
    def running_nginx_lua(self):
        self.place("rule.lua")
        self.place("peers/check.lua")
        url, nginx = self.nginx("nginx-lua.conf")
        with nginx as process:
            expect_rule(url)
            yield process, url

    @contextlib.contextmanager
    def running_haproxy(self):
        self.place("rule.lua")
        self.place("peers/haproxy.lua")
        port = free_port()
        conf = self.place("peers/haproxy.cfg", PORT=port)
        url = f"http://127.0.0.1:{port}/payment"
        command = unprivileged([program("haproxy"), "-f", conf], self.user)
        with serving(command, self.directory / "haproxy.log", lambda: fetch(url)[0] != 0) as process:
            expect_rule(url)
            yield process, url

    @contextlib.contextmanager
    def running_constant(self):
        port = free_port()
        url = f"http://127.0.0.1:{port}/payment"
        command = unprivileged([self.constant, port], self.user)
        with serving(command, self.directory / "constant.log", lambda: fetch(url)[0] == 200) as process:
            yield process, url

    @contextlib.contextmanager
    def running_php(self):
        self.place("peers/pay.php")
        conf = self.place(
            "peers/php-fpm.conf", DSN=f"pgsql:host=127.0.0.1;port={self.postgres_port};dbname=peers;user=bench")
        php = serving(unprivileged([php_fpm(), "--nodaemonize", "--fpm-config", conf], self.user),
                      self.directory / "php.log", (self.directory / "php.sock").exists)
        url, nginx = self.nginx("nginx-php.conf")
        with php as fpm, nginx as front:
            status, answer = fetch(url + query("pay", GOOD_ACCOUNT))
            if status != 200 or "<result>0</result>" not in answer:
                raise Failure(f"php-fpm answered {status}: {answer}")
            yield (fpm, front), url

    # Load

    def wrk(self, url, command, clients, seconds, rate=None, merchants=1, zipf=0):
        """At a constant rate of so many a second, if one is given. With many merchants the URL has a `%d` for which: one
        after the other, or by Zipf's law with this exponent."""
        self.runs += 1
        threads = 1 if command == "check" else 2
        output = run(program("wrk"), f"-t{threads}", f"-c{clients}", f"-d{seconds}s", "--timeout", "20s",
                     "-s", HERE / "load.lua", url.replace("%d", "%25d"), "--", command, self.runs,
                     0 if rate is None else rate / threads, merchants, zipf)
        result = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
        if result["bad"] or result["broken"] or not result["good"]:
            raise Failure(f"{url}: {result['good']} successes, {result['bad']} other answers, {result['broken']} "
                          f"broken connections or time-outs; an answer: {result['sample']}")
        return result

    def measured(self, processes, load, warm_up=WARM_UP_SECONDS):
        """Runs the load once to warm up and once for real; adds what CPU time each side spent on an answer."""
        warm = load(warm_up)
        self.sql("postgres", "CHECKPOINT")
        before = [sum(map(cpu_seconds, pids)) for pids in (processes, [self.postgres.pid])]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = load(self.seconds)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = [sum(map(cpu_seconds, pids)) for pids in (processes, [self.postgres.pid])]
        result["rate"] = result["good"] / result["seconds"]
        result["cpu"] = [1e6 * value / result["good"] for value in (
            after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime,
            *(end - start for end, start in zip(spent, before)))]
        result["acknowledged"] = warm["good"] + result["good"]
        result["sent"] = warm["sent"] + result["sent"]
        return result

    # Turns

    def check(self, contender):
        with contender as (process, url):
            return self.measured([process.pid], lambda seconds: self.wrk(url, "check", CHECK_CLIENTS, seconds))

    def check_haproxy(self, _clients):
        return self.check(self.running_haproxy())

    def check_constant(self, _clients):
        return self.check(self.running_constant())

    def check_many(self, _clients):
        """Each check of another merchant, all with the same rule."""
        with self.running_tollgate("postgres") as (process, url):
            self.multiply()
            url = url.replace("/bench/", "/bench%d/")
            return self.measured(
                [process.pid], lambda seconds: self.wrk(url, "check", CHECK_CLIENTS, seconds, merchants=MANY_MERCHANTS),
                min(MANY_WARM_UP_SECONDS, 5 * self.seconds))

    def check_nginx(self, _clients):
        return self.check(self.running_nginx_lua())

    def check_sqlite(self, _clients):
        return self.check(self.running_tollgate("sqlite"))

    def check_postgres(self, _clients):
        return self.check(self.running_tollgate("postgres"))

    def pay(self, contender, clients, database, table):
        # Counted before the load and after the server has stopped, when nothing is under way any more.
        with contender as (process, url):
            processes = [one.pid for one in (process if isinstance(process, tuple) else [process])]
            before = int(self.sql(database, f"SELECT count(*) FROM {table}"))
            result = self.measured(processes, lambda seconds: self.wrk(url, "pay", clients, seconds))
        counts = self.sql(database, f"SELECT count(*), count(DISTINCT code) FROM {table}")
        stored, distinct = map(int, counts.split("|"))
        if stored != distinct:
            raise Failure(f"{table}: {stored} payments for {distinct} keys")
        if not result["acknowledged"] <= stored - before <= result["sent"]:
            raise Failure(f"{table}: {result['sent']} sent, {result['acknowledged']} acknowledged, "
                          f"{stored - before} stored")
        return result

    def pay_sqlite(self, clients):
        """Payments are counted in the database file itself."""
        with self.running_tollgate("sqlite") as (process, url):
            before = self.sqlite_payments()
            result = self.measured([process.pid], lambda seconds: self.wrk(url, "pay", clients, seconds))
        stored = self.sqlite_payments() - before
        if not result["acknowledged"] <= stored <= result["sent"]:
            raise Failure(f"SQLite: {result['sent']} sent, {result['acknowledged']} acknowledged, {stored} stored")
        return result

    def sqlite_payments(self):
        with contextlib.closing(sqlite3.connect(self.directory / "tollgate.db")) as database:
            return database.execute("SELECT count(*) FROM payments").fetchone()[0]

    def pay_bare_sqlite(self, _clients):
        """One row, one durable commit, the next row: what a loop over SQLite does without groups."""
        def load(seconds):
            done, began = 0, time.perf_counter()
            with contextlib.closing(sqlite3.connect(self.directory / "bare.db", isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = FULL")
                database.execute("CREATE TABLE IF NOT EXISTS payments (id TEXT PRIMARY KEY, account TEXT, minor INTEGER)")
                while time.perf_counter() - began < seconds:
                    database.execute("INSERT INTO payments VALUES (?, ?, ?)", (secrets.token_hex(13), GOOD_ACCOUNT, 1045))
                    done += 1
            return {"good": done, "sent": done, "seconds": time.perf_counter() - began}

        return self.measured([], load)

    def pay_tollgate(self, clients):
        return self.pay(self.running_tollgate("postgres"), clients, "tollgate", "qiwi_transaction")

    def pay_php(self, clients):
        return self.pay(self.running_php(), clients, "peers", "php_transaction")

    def run_pgbench(self, script, clients, seconds, *further):
        self.runs += 1
        return run(program("pgbench"), "-n", "-M", "prepared", "-c", clients, "-j", 2, "-T", seconds, *further,
                   "-D", "n=0", "-D", f"run={self.runs}", "-f", HERE / "peers" / script,
                   "-h", "127.0.0.1", "-p", self.postgres_port, "-U", "bench", "peers")

    def pgbench(self, script, table, clients):
        def load(seconds):
            output = self.run_pgbench(script, clients, seconds)

            def figure(pattern):
                return float(re.search(pattern, output).group(1))

            done, rate = int(figure(r"actually processed: (\d+)")), figure(r"tps = ([\d.]+)")
            if figure(r"failed transactions: (\d+)"):
                raise Failure(f"pgbench: failed transactions\n{output}")
            return {"good": done, "sent": done, "seconds": done / rate,
                    "mean_us": 1000 * figure(r"latency average = ([\d.]+)")}

        before = int(self.sql("peers", f"SELECT count(*) FROM {table}"))
        result = self.measured([], load)
        stored = int(self.sql("peers", f"SELECT count(*) FROM {table}")) - before
        if stored != result["acknowledged"]:
            raise Failure(f"pgbench: {result['acknowledged']} transactions, but {stored} rows in {table}")
        return result

    def pay_rows(self, clients):
        return self.pgbench("rows.sql", "payments", clients)

    def pay_single(self, clients):
        return self.pgbench("single-row.sql", "single_row", clients)

    def turns(self):
        """(what, clients, whose, how), in the order of the report."""
        ours, constant = self.tollgate is not None, self.constant is not None
        everything = [
            ("check", CHECK_CLIENTS, "tollgate, SQLite", self.check_sqlite, ours),
            ("check", CHECK_CLIENTS, "tollgate, PostgreSQL", self.check_postgres, ours),
            ("check", CHECK_CLIENTS, "tollgate, PostgreSQL, 10,000 merchants", self.check_many, ours),
            ("check", CHECK_CLIENTS, "nginx + lua", self.check_nginx, True),
            ("check", CHECK_CLIENTS, "HAProxy + lua", self.check_haproxy, True),
            ("check", CHECK_CLIENTS, "bare actix-web, a constant", self.check_constant, constant),
        ]
        for clients in PAY_CLIENTS:
            everything += [
                ("pay", clients, "tollgate, PostgreSQL", self.pay_tollgate, ours),
                ("pay", clients, "tollgate, SQLite", self.pay_sqlite, ours),
                ("pay", clients, "bare loop of one-row commits", self.pay_bare_sqlite, True),
                ("pay", clients, "pgbench, same rows", self.pay_rows, True),
                ("pay", clients, "pgbench, single row", self.pay_single, True),
                ("pay", clients, "nginx + php-fpm + PDO", self.pay_php, True),
            ]
        return [turn[:4] for turn in everything if turn[4]]


# Report


def spread(values, form="{:,.0f}"):
    middle, low, high = (form.format(pick(values)) for pick in (statistics.median, min, max))
    return middle if len(values) == 1 else f"{middle} ({low}–{high})"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def sync_microseconds(directory):
    """What the disk takes to make one page durable: the floor under every single payment."""
    taken = []
    with open(directory / "sync", "wb") as file:
        for _ in range(300):
            file.write(bytes(8192))
            file.flush()
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - start)
    return 1e6 * statistics.median(taken)


def version(*command):
    """The first line with a number that a program says of itself; wrk does so with an error."""
    command = list(map(str, command))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    for line in (done.stdout + done.stderr).splitlines():
        if re.search(r"\d+\.\d+", line):
            return re.sub(r"\s*\(PostgreSQL\)|nginx version: |\s+(\[epoll\]|\().*", "", line).strip()
    return "unknown"


def machine(directory):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    return [
        f"Machine: {os.cpu_count()} × {cpu.group(1).strip() if cpu else platform.machine()}, {MEMORY_MB / 1024:.0f} GiB; load, "
        "servers and database share it",
        f"System: {system.group(1) if system else platform.system()}, kernel {platform.release()}; load average at the "
        f"start {os.getloadavg()[0]:.1f}",
        f"Disk: {run('stat', '-f', '-c', '%T', directory).strip()}, one durable 8 KiB write takes "
        f"{sync_microseconds(directory):,.0f} µs; {writeback()}",
    ]


def writeback():
    """From how much on, and from which age, the kernel writes out what files were given: a burst of it makes commits wait."""
    limits = ("dirty_background_bytes", "dirty_background_ratio", "dirty_expire_centisecs")
    return ", ".join(f"vm.{limit} {pathlib.Path('/proc/sys/vm', limit).read_text().strip()}" for limit in limits)


def programs(bench):
    commands = [[program("nginx"), "-v"], [php_fpm(), "-v"], [program("postgres"), "--version"], [program("wrk"), "-v"]]
    if bench.tollgate:
        commands.insert(0, [bench.tollgate, "--version"])
    return "Versions: " + ", ".join(version(*command) for command in commands)


def report(bench, rounds, header, results):
    def rates(key):
        return [result["rate"] for result in results.get(key, [])]

    versus = []
    for what, clients, whose, _ in bench.turns():
        if whose not in AIMS:
            continue
        for ours in [key for key in results if key[:2] == (what, clients) and key[2].startswith("tollgate")]:
            mine, theirs = rates(ours), rates((what, clients, whose))
            if ONLY_FOR.get(whose, ours[2]) != ours[2]:
                continue
            aim = FURTHER_AIMS.get((ours[2], whose), AIMS[whose])
            ratio = statistics.median(mine) / statistics.median(theirs)
            apart = [a / b for a, b in zip(mine, theirs)]
            bounds = "" if rounds == 1 else f" ({min(apart):.2f}–{max(apart):.2f})"
            versus.append([what, clients, ours[2], spread(mine), whose, spread(theirs), f"**{ratio:.2f}**{bounds}",
                           f"≥ {aim}", "yes" if ratio >= aim else "**no**"])

    single = []
    for (what, clients, whose), turns in results.items():
        def delay(name):
            return f"{statistics.median(turn[name] for turn in turns) / 1000:.2f}" if name in turns[0] else "–"

        cpu = [f"{statistics.median(turn['cpu'][side] for turn in turns):.0f}" for side in range(3)]
        single.append([what, clients, whose, spread(rates((what, clients, whose))), delay("p50_us"), delay("p99_us"),
                       delay("mean_us"), *cpu])

    parts = ["# Benchmark", "\n".join(f"* {line}" for line in header)]
    if versus:
        parts += ["## Ours to theirs", table(
            ["What", "Clients", "Ours", "Answers/s", "Peer", "Answers/s", "Ratio", "Aim", "Met"], versus)]
    parts += ["## Each by itself", table(
        ["What", "Clients", "Who", "Answers/s", "p50 ms", "p99 ms", "Mean ms", "Load µs", "Server µs", "PostgreSQL µs"],
        single), "Median of the rounds (lowest–highest). The last three columns are CPU time per answer: of the load "
        "generator, of the server, and of PostgreSQL with all its processes. pgbench tells only a mean."]
    return "\n\n".join(parts) + "\n"


def fallen(bench, results):
    """The ratios that are below their floors, in words."""
    told = []
    for what, clients, whose, _ in bench.turns():
        for (ours, peer), floor in FLOORS.items():
            mine, theirs = results.get((what, clients, ours)), results.get((what, clients, peer))
            if whose != peer or not mine or not theirs:
                continue
            ratio = statistics.median(turn["rate"] for turn in mine) / statistics.median(turn["rate"] for turn in theirs)
            if ratio < floor:
                told.append(f"{what}, {clients} clients: {ours} reaches {ratio:.2f} of {peer}; it used to be twice {floor:.2f}")
    return told


def copied(binary, to):
    """A build beside us must not swap the binary between two turns."""
    shutil.copy(binary, to)
    to.chmod(0o755)
    return to


@contextlib.contextmanager
def workplace(binary, name, where="/var/tmp"):
    """A directory on a real disk with a copy of our binary, where the servers' user may write; and that user."""
    # As an exception, so that every server is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = pathlib.Path(tempfile.mkdtemp(prefix=f"tollgate-{name}-", dir=where))
    try:
        tollgate = binary and copied(binary, directory / "tollgate")
        user = server_user()
        if user:
            os.chown(directory, user.pw_uid, user.pw_gid)
        yield directory, tollgate, user
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def usual_options(description, seconds, quick_seconds, rounds=3, further=(), programs=()):
    """What the measurements beside this one are told. Each of `further` is the name of a hidden option, with its type;
    each of `programs` the option that names a program of ours which takes part."""
    parser = argparse.ArgumentParser(description=description.split("\n", maxsplit=1)[0])
    # A hidden option makes it a part of another run, which needs no binary.
    parser.add_argument("--tollgate", type=pathlib.Path, required=not further, help="our binary")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=type(seconds), default=seconds, help="length of a turn")
    parser.add_argument("--quick", action="store_true", help=f"one round of {quick_seconds} seconds")
    parser.add_argument("--output", type=pathlib.Path, help="write the report here too")
    for name in programs:
        parser.add_argument(name, type=pathlib.Path, required=not further)
    for name, kind in further:
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, quick_seconds
    return options


def tell(text, output):
    """Prints a report, and writes it where it is wanted."""
    print(text)
    if output:
        output.write_text(text)


def give_up(name, failure):
    if failure.log and failure.log.exists():
        print(f"End of {failure.log.name}:\n{tail(failure.log)}", file=sys.stderr)
    sys.exit(f"{name}: {failure}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tollgate", type=pathlib.Path, help="our binary; without it only the peers run")
    parser.add_argument("--constant", type=pathlib.Path, help="the server that answers a constant; without it that peer rests")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="length of a turn")
    parser.add_argument("--quick", action="store_true", help="one round of 3 seconds; fails if a ratio is below its floor")
    parser.add_argument("--only", default="", help="only turns whose name contains this, e.g. check or 'pay 64'")
    parser.add_argument("--directory", default="/var/tmp", help="where databases lie; must be a real disk")
    parser.add_argument("--output", type=pathlib.Path, help="write the report here too")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 3
    return options


def main():
    options = arguments()
    try:
        with workplace(options.tollgate, "bench", options.directory) as (directory, tollgate, _):
            text, slow = compare(options, directory, tollgate)
    except Failure as failure:
        give_up("bench", failure)
    tell(text, options.output)
    if options.quick and slow:
        sys.exit("\n".join(["bench: slower than it was. Run it again on a quiet machine; if it stays, something became slow:", *slow]))


def compare(options, directory, tollgate):
    constant = options.constant and copied(options.constant, directory / "constant")
    bench = Bench(directory, tollgate, options.seconds, constant)
    settings = ", ".join(f"{key} {value}" for key, value in POSTGRES_SETTINGS.items())
    header = [
        *machine(directory), programs(bench),
        f"PostgreSQL: fsync and synchronous_commit on, {settings}, "
        "a checkpoint before every turn; nginx: 2 workers; HAProxy: 2 threads; php-fpm: 30 children",
        f"Turns: {options.rounds} × {options.seconds} s each after {WARM_UP_SECONDS} s of warming up, ours and the "
        "peers' in turn, every other round backwards; every answer is checked, and payments are counted in the "
        "database",
    ]
    results = {turn[:3]: [] for turn in bench.turns() if options.only in " ".join(map(str, turn[:3]))}
    with bench.running_postgres():
        for number in range(options.rounds):
            for what, clients, whose, how in bench.turns()[:: -1 if number % 2 else 1]:
                if (what, clients, whose) in results:
                    result = how(clients)
                    results[what, clients, whose].append(result)
                    print(f"round {number + 1}: {what}, {clients} clients, {whose}: {result['rate']:,.0f}/s",
                          file=sys.stderr, flush=True)
    return report(bench, options.rounds, header, results), fallen(bench, results)


if __name__ == "__main__":
    main()
