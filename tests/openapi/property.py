"""Asks every operation of docs/openapi.json what Schemathesis makes of its description, as the owner, as a merchant's
administrator and with an API key: nothing may end with 5xx, outside the description, or with a status that is not in it.

    python3 tests/openapi/property.py --tollgate target/debug/tollgate [--seconds 25] [--seed 1] [--rounds 1]

Starts a gateway of its own on loopback, with a database in a temporary folder.
"""

import argparse
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
DESCRIPTION = HERE.parent.parent / "docs" / "openapi.json"
TOKEN = "bootstrap-token-of-the-tests"
PASSWORD = "copper walrus under seven tents"
CHECKS = ",".join(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    ]
)
# What ends the world that the others are asked in.
EXCLUDED = ["delete_merchant", "delete_connection", "sign_out", "remove_staff", "change_staff", "revoke_api_key"]
START_S = 60
SETTINGS = {
    "TOLLGATE_MASTER_KEY": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "TOLLGATE_ADMIN__BOOTSTRAP_TOKEN": TOKEN,
    "TOLLGATE_PUBLIC__LISTEN": "127.0.0.1:0",
    "TOLLGATE_ADMIN__LISTEN": "127.0.0.1:0",
    "TOLLGATE_ACCESS__SECOND_FACTOR": "nobody",
    "TOLLGATE_LOG__FORMAT": "json",
    # Nothing but loopback is called, and nothing there answers: connections to networks end at once.
    "TOLLGATE_WEBHOOKS__ALLOW_NETWORKS": "127.0.0.0/8",
    "TOLLGATE_CONNECTORS__ALLOW_NETWORKS": "127.0.0.0/8",
    "TOLLGATE_LIMITS__MERCHANT_RATES": "",
    "TOLLGATE_LIMITS__STRANGER_RATES": "",
    "TOLLGATE_LIMITS__LOG_IN_RATES": "",
    "TOLLGATE_LIMITS__KEY_RATES": "",
    "TOLLGATE_LIMITS__KEY_CREATION_RATES": "",
    "TOLLGATE_LIMITS__CERTIFICATE_ISSUE_RATES": "",
    "TOLLGATE_SHEDDING__DELAY_MS": "5000",
    "TOLLGATE_SHEDDING__AFTER_MS": "60000",
}


class Gateway:
    def __init__(self, tollgate, folder):
        self.log = open(folder / "gateway.log", "w+")
        environment = {**SETTINGS, "TOLLGATE_DATABASE__URL": f"sqlite://{folder}/tollgate.db"}
        self.process = subprocess.Popen(
            [tollgate, "serve"], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        self.addresses = {}
        end = time.monotonic() + START_S
        while len(self.addresses) < 2 and time.monotonic() < end:
            words = self.process.stdout.readline().split()
            if words[:1] == ["listening"]:
                self.addresses[words[1]] = f"http://{words[2]}"
            elif not words and self.process.poll() is not None:
                break
        if len(self.addresses) < 2:
            sys.exit(f"the gateway did not start:\n{pathlib.Path(self.log.name).read_text()}")

    def call(self, method, path, body=None, token=TOKEN, listener="admin"):
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.addresses[listener] + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def internal_errors(self):
        lines = pathlib.Path(self.log.name).read_text().splitlines()
        # Requests that are none are told of by the HTTP library itself.
        return [line for line in lines if '"level":"ERROR"' in line and '"target":"actix_http' not in line]


def furnish(gateway):
    """A merchant with one of everything; gives the tokens, and the names that stand in paths."""
    call = gateway.call
    body = {"token": TOKEN, "email": "owner@example.com", "name": "Owner", "password": PASSWORD}
    owner = call("POST", "/admin/v1/setup", body, token=None)["access_token"]
    call("POST", "/admin/v1/merchants", {"slug": "acme", "name": "Acme"})
    acme = "/admin/v1/merchants/acme"
    open_to_all = {"auth": "none", "subnets": ["127.0.0.0/8"]}
    call("POST", f"{acme}/connections", {"slug": "terminal", "plugin": "terminal", "config": open_to_all})
    card = {"base_url": "http://127.0.0.1:9/partner/", "site_id": "test-01", "api_key": "k", "card_data": True, "tokens": True}
    call("POST", f"{acme}/connections", {"slug": "card", "plugin": "payin", "config": card})
    rules = "local rules = {}\nfunction rules.check(request, ctx) return accept() end\nreturn rules\n"
    call("PUT", f"{acme}/rules", {"source": rules, "message": "first"})
    call("PUT", f"{acme}/rules/draft", {"source": rules, "message": "second"})
    call("PUT", f"{acme}/lists/blocked", {})
    call("PUT", f"{acme}/lists/blocked/entries/42", {"value": 1})
    endpoint = call("POST", f"{acme}/webhook-endpoints", {"url": "http://127.0.0.1:9/hook"})["id"]
    key = call("POST", f"{acme}/api_keys", {"name": "shop", "scopes": ["*"]})
    lab = {"command": "pay", "txn_id": "700", "account": "42", "amount": "5.00", "currency": "RUB"}
    payment = call("POST", f"{acme}/connections/terminal/terminal-lab", lab)["payment_id"]
    invited = call("POST", f"{acme}/people/invitations", {"email": "ann@example.com", "role": "admin"})
    token = invited["url"].rsplit("/", 1)[1]
    joined = call("POST", f"/admin/v1/invitations/{token}", {"name": "Ann", "password": PASSWORD}, token=None)
    export = call("POST", f"{acme}/exports", {"kind": "payments"})["id"]
    names = {
        "merchant": "acme",
        "connection": "terminal",
        "payment": payment,
        "endpoint": endpoint,
        "list": "blocked",
        "revision": 1,
        "export": export,
        "key": key["id"],
    }
    return {"owner": owner, "administrator": joined["access_token"], "key": key["key"]}, names


def words_for(listener, names, folder):
    """Schemathesis's own settings: names of what is there, so that its questions reach behind the first 404."""
    lines = ["[parameters]"]
    for name, value in names.items():
        if name == "key":
            continue
        lines.append(f'"path.{name}" = {json.dumps(value)}')
    path = folder / f"schemathesis-{listener}.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def ask(schemathesis, gateway, who, token, names, arguments, folder):
    listener, root = ("public", "^/v1/") if who == "key" else ("admin", "^/admin/v1/")
    config = words_for(listener, names, folder)
    command = [
        schemathesis,
        "--config-file",
        config,
        "run",
        DESCRIPTION,
        f"--url={gateway.addresses[listener]}",
        f"--header=Authorization: Bearer {token}",
        f"--include-path-regex={root}",
        f"--checks={CHECKS}",
        f"--phases={arguments.phases}",
        f"--max-time={arguments.seconds}",
        f"--seed={arguments.seed}",
        f"--max-examples={arguments.examples}",
        "--workers=2",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--warnings=off",
        "--request-timeout=20",
    ]
    command += [f"--exclude-operation-id={name}" for name in EXCLUDED]
    print(f"== as {who}", flush=True)
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run([str(part) for part in command], cwd=folder, env=environment).returncode == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tollgate", required=True)
    parser.add_argument("--schemathesis", default="schemathesis")
    parser.add_argument("--seconds", type=int, default=25, help="for each of the three callers")
    parser.add_argument("--examples", type=int, default=15, help="for each operation")
    parser.add_argument("--phases", default="fuzzing", help="fuzzing, or coverage,fuzzing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1, help="each with a gateway and a seed of its own")
    arguments = parser.parse_args()
    # It runs in a folder of its own; a bare name is looked for in PATH.
    if os.sep in arguments.schemathesis:
        arguments.schemathesis = os.path.abspath(arguments.schemathesis)
    good = True
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(prefix="tollgate-openapi-") as folder:
            folder = pathlib.Path(folder)
            gateway = Gateway(os.path.abspath(arguments.tollgate), folder)
            try:
                tokens, names = furnish(gateway)
                for who, token in tokens.items():
                    good &= ask(arguments.schemathesis, gateway, who, token, names, arguments, folder)
            finally:
                gateway.stop()
            errors = gateway.internal_errors()
            if errors:
                good = False
                print("the gateway's log has errors:", *errors[:20], sep="\n")
        arguments.seed += 1
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
