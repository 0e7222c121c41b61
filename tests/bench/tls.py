#!/usr/bin/env python3
"""Measures mutual TLS beside nginx: full handshakes, resumed ones, and requests over connections that stay open.

Both verify the client's certificate against one authority, with the same P-256 certificates. OpenSSL's `s_time` makes the
handshakes, `ab` the requests. nginx answers a constant; ours is a check with all guards and the wire log, and so is told
beside its own figure without TLS.
"""

import contextlib
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import bench

NAME = "pay.example.test"
CALLERS = 4
REQUEST_CONNECTIONS = 32
AIM = 0.9
TURNS = (("full handshakes", "-new", "-tls1_3"), ("full handshakes", "-new", "-tls1_2"), ("resumed handshakes", "-reuse", "-tls1_2"))


# Certificates


def openssl(*arguments):
    return bench.run(bench.program("openssl"), *arguments)


def certificate(directory, name, subject, extensions):
    key, request, signed = (directory / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
            "-subj", f"/CN={subject}")
    (directory / f"{name}.ext").write_text(extensions)
    openssl("x509", "-req", "-in", request, "-CA", directory / "ca.pem", "-CAkey", directory / "ca.key",
            "-CAcreateserial", "-days", "30", "-out", signed, "-extfile", directory / f"{name}.ext")


def certificates(directory):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-keyout",
            directory / "ca.key", "-out", directory / "ca.pem", "-subj", "/CN=authority of the benchmark", "-addext",
            "keyUsage=critical,keyCertSign,cRLSign")
    certificate(directory, "server", NAME, f"subjectAltName=DNS:{NAME}\nextendedKeyUsage=serverAuth\n")
    certificate(directory, "client", "network", "extendedKeyUsage=clientAuth\n")
    for path in directory.glob("*.key"):
        path.chmod(0o644)


# Contenders


@contextlib.contextmanager
def ours(made):
    """The TLS port and the plain one."""
    port = bench.free_port()
    settings = {"TOLLGATE_PUBLIC__TLS_LISTEN": f"127.0.0.1:{port}",
                # `s_time` asks for no name.
                "TOLLGATE_PUBLIC__TLS_DEFAULT_NAME": NAME, "TOLLGATE_ADMIN__BOOTSTRAP_TOKEN": made.token,
                "TOLLGATE_MASTER_KEY": bench.new_master_key(made.tollgate),
                "TOLLGATE_RULES__MERCHANT_CPU_MS_PER_SECOND": "2000"}
    database = f"sqlite://{made.directory}/tls-{port}.db"
    served = bench.gateway(made.tollgate, made.user, made.directory / "tollgate.log", database, settings)
    with served as (process, public, admin):
        merchants = f"http://127.0.0.1:{admin}/admin/v1/merchants"
        made.provision(merchants)
        pem = (made.directory / "server.pem").read_text() + (made.directory / "server.key").read_text()
        for method, url, body in (
            ("POST", f"http://127.0.0.1:{admin}/admin/v1/certificates/server", {"pem": pem}),
            ("POST", f"{merchants}/bench/connections/terminal/client-certificates/trusted",
             {"name": "bench", "authority": (made.directory / "ca.pem").read_text()}),
        ):
            status, answer = bench.fetch(url, method, made.token, body)
            if not 200 <= status < 300:
                raise bench.Failure(f"{method} {url} answered {status}: {answer}")
        reachable(made, port)
        yield process, port, public


@contextlib.contextmanager
def theirs(made):
    url, nginx = made.nginx("nginx-tls.conf")
    with nginx as process:
        port = int(re.search(r":(\d+)/", url).group(1))
        reachable(made, port)
        yield process, port, None


def reachable(made, port):
    """A check over mutual TLS is answered."""
    deadline = time.monotonic() + 10
    while True:
        done = subprocess.run(
            [bench.program("curl"), "-s", "-m", "5", "--resolve", f"{NAME}:{port}:127.0.0.1", "--cacert",
             made.directory / "ca.pem", "--cert", made.directory / "client.pem", "--key", made.directory / "client.key",
             f"https://{NAME}:{port}/in/bench/terminal{bench.query('check', bench.GOOD_ACCOUNT)}"],
            capture_output=True, text=True, check=False)
        if "<result>0</result>" in done.stdout:
            return
        if time.monotonic() > deadline:
            raise bench.Failure(f"no answer over TLS: {done.stdout} {done.stderr}")
        time.sleep(0.1)


# Load


def handshakes(made, port, kind, version, seconds):
    """A second, by several `s_time` at once."""
    command = [bench.program("openssl"), "s_time", "-connect", f"127.0.0.1:{port}", "-cert", made.directory / "client.pem",
               "-key", made.directory / "client.key", "-CAfile", made.directory / "ca.pem", "-time", str(seconds), kind, version]
    callers = [subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for _ in range(CALLERS)]
    total = 0
    for caller in callers:
        said, _ = caller.communicate(timeout=seconds + 60)
        counted = re.search(r"(\d+) connections in (\d+) real seconds", said)
        if caller.returncode != 0 or not counted:
            raise bench.Failure(f"openssl s_time failed: {said[-1000:]}")
        total += int(counted.group(1))
    return total / seconds


def requests(made, url, seconds, secure=True):
    proof = ["-E", made.directory / "both.pem", "-Z", "ECDHE-ECDSA-AES128-GCM-SHA256", "-f", "TLS1.2"] if secure else []
    said = bench.run(bench.program("ab"), "-k", "-q", "-c", REQUEST_CONNECTIONS, "-t", seconds, "-n", 10_000_000, *proof,
                     "-H", f"Host: {NAME}", url)
    counted = {name: int(value) for name, value in re.findall(r"^(Complete requests|Failed requests|Non-2xx responses):\s+(\d+)", said, re.M)}
    if counted.get("Non-2xx responses") or not counted.get("Complete requests"):
        raise bench.Failure(f"ab: {said[-1500:]}")
    return float(re.search(r"Requests per second:\s+([\d.]+)", said).group(1))


def round_of(made, options):
    figures = {}
    for who, contender in (("tollgate", ours), ("nginx", theirs)):
        with contender(made) as (_, port, plain):
            for what, kind, version in TURNS:
                figures[who, what, version] = handshakes(made, port, kind, version, options.seconds)
            path = f"/in/bench/terminal{bench.query('check', bench.GOOD_ACCOUNT)}"
            figures[who, "requests, kept alive", "-tls1_2"] = requests(made, f"https://127.0.0.1:{port}{path}", options.seconds)
            if plain:
                figures["plain"] = requests(made, f"http://127.0.0.1:{plain}{path}", options.seconds, secure=False)
    return figures


def report(rounds):
    rows = []
    for key in rounds[0]:
        if key == "plain" or key[0] != "tollgate":
            continue
        mine = [figures[key] for figures in rounds]
        their = [figures["nginx", key[1], key[2]] for figures in rounds]
        ratio = statistics.median(mine) / statistics.median(their)
        version = "TLS " + key[2].removeprefix("-tls").replace("_", ".")
        rows.append([f"{key[1]}, {version}", bench.spread(mine), bench.spread(their), f"**{ratio:.2f}**", f"≥ {AIM}",
                     "yes" if ratio >= AIM else "**no**"])
    plain = [figures["plain"] for figures in rounds]
    secure = [figures["tollgate", "requests, kept alive", "-tls1_2"] for figures in rounds]
    return "\n\n".join([
        "## Mutual TLS",
        bench.table(["What", "Tollgate/s", "nginx `ssl_verify_client`/s", "Ratio", "Aim", "Met"], rows),
        f"{CALLERS} × `openssl s_time`, `ab` with {REQUEST_CONNECTIONS} connections; the callers' own arithmetic runs on the "
        f"same cores. A request is a whole check for us (rule, guards, wire log) and a constant for nginx; the same checks "
        f"without TLS: {bench.spread(plain)}/s, so TLS leaves {statistics.median(secure) / statistics.median(plain):.2f} of them.",
    ]) + "\n"


def main():
    options = bench.usual_options(__doc__, 5, 2)
    try:
        with bench.workplace(options.tollgate, "tls") as (directory, tollgate, _):
            made = bench.Bench(directory, tollgate, options.seconds)
            certificates(directory)
            (directory / "both.pem").write_text((directory / "client.pem").read_text() + (directory / "client.key").read_text())
            rounds = [round_of(made, options) for _ in range(options.rounds)]
    except (bench.Failure, subprocess.SubprocessError, OSError) as failure:
        bench.give_up("tls", failure)
    text = report(rounds)
    bench.tell(text, options.output)


if __name__ == "__main__":
    sys.exit(main())
