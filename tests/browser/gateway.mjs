// The real binary with the built pages, on ports of its own and in a folder that goes when it stops.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFront } from "./front.mjs";
import { soon } from "./soon.mjs";

const START_MS = 60_000;

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export async function startGateway(further = []) {
  const binary = process.env.TOLLGATE;
  if (!binary) throw new Error("TOLLGATE names the binary to test: run `make browser-test`");
  const folder = await mkdtemp(join(tmpdir(), "tollgate-browser-"));
  const [publicPort, adminPort, sandboxPort] = [await freePort(), await freePort(), await freePort()];
  const gateway = `http://127.0.0.1:${publicPort}`;
  const admin = `http://127.0.0.1:${adminPort}`;
  const child = spawn(binary, ["demo", "--folder", folder, "--sandbox", `127.0.0.1:${sandboxPort}`, ...further], {
    env: {
      ...process.env,
      TOLLGATE_PUBLIC__LISTEN: `127.0.0.1:${publicPort}`,
      TOLLGATE_ADMIN__LISTEN: `127.0.0.1:${adminPort}`,
      // A machine that builds and tests at once is behind by nature.
      TOLLGATE_SHEDDING__DELAY_MS: "5000",
      TOLLGATE_SHEDDING__AFTER_MS: "60000",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stdout.on("data", (text) => (said += text));
  child.stderr.on("data", (text) => (said += text));
  const ended = new Promise((done) => child.once("exit", done));
  let dead = false;
  ended.then(() => (dead = true));
  await soon("the gateway is up", START_MS, async () => {
    if (dead) throw new Error(`the gateway ended: ${said}`);
    const ready = await fetch(`${admin}/readyz`).catch(() => undefined);
    return ready?.ok && said.includes("listening admin");
  });
  const front = process.env.PAGES ? await startFront(process.env.PAGES, admin) : undefined;
  return {
    admin: front?.address ?? admin,
    gateway,
    folder,
    said: () => said,
    token: (await readFile(join(folder, "admin-token"), "utf8")).trim(),
    /** What a terminal of the network sends. */
    terminal: async (merchant, connection, parameters) => {
      const query = new URLSearchParams({ ccy: "RUB", ...parameters });
      const answer = await fetch(`${gateway}/in/${merchant}/${connection}?${query}`);
      return answer.text();
    },
    stop: async () => {
      front?.stop();
      child.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The moment as terminals write it. */
export function txnDate(now = new Date()) {
  const moscow = new Date(now.getTime() + 3 * 3_600_000);
  return moscow.toISOString().replace(/\D/g, "").slice(0, 14);
}
