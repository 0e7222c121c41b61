// The payments page over a million payments: when it shows something, how long its filters, its next page and its keys take.
// node million.mjs [payments], with TOLLGATE as for the tests.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { openBrowser, openPage } from "./browser.mjs";
import { startGateway } from "./gateway.mjs";

const PAYMENTS = Number(process.argv[2] ?? 1_000_000);
const PAGE = "/m/demo/payments";
const ROUNDS = 5;
const WAIT_MS = 60_000;

const gateway = await startGateway();
const browser = await openBrowser();

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length / 2)]);
}

function say(name, numbers) {
  console.log(`| ${name} | ${median(numbers)} ms | ${Math.round(Math.max(...numbers))} ms |`);
}

async function rest(name, path) {
  const headers = { authorization: `Bearer ${gateway.token}` };
  const took = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const from = performance.now();
    const answer = await fetch(`${gateway.admin}/admin/v1${path}`, { headers });
    const body = await answer.json();
    took.push(performance.now() - from);
    if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(body)}`);
  }
  say(`\`GET ${name}\``, took);
}

try {
  const from = performance.now();
  await promisify(execFile)("python3", ["seed_payments.py", `${gateway.folder}/tollgate.db`, "demo", String(PAYMENTS)]);
  console.log(`${PAYMENTS} payments stored in ${Math.round((performance.now() - from) / 1000)} s\n`);
  console.log("| What | median | longest |\n| --- | --: | --: |");
  const headers = { authorization: `Bearer ${gateway.token}` };
  const listed = await (await fetch(`${gateway.admin}/admin/v1/merchants/demo/payments?limit=3`, { headers })).json();
  const { account, network_id } = listed.data[2];
  const base = "/merchants/demo";
  await rest("…/payments", `${base}/payments`);
  await rest("…/payments?status=declined", `${base}/payments?status=declined`);
  await rest("…/payments?status=in_doubt", `${base}/payments?status=in_doubt`);
  await rest("…/payments?search={account}", `${base}/payments?search=${account}`);
  await rest("…/payments?search={txn_id}", `${base}/payments?search=${network_id}`);
  await rest("…/payments?search={nothing}", `${base}/payments?search=nothing-is-called-so`);
  await rest("…/payments, a day two weeks ago", `${base}/payments?created_from=${ago(15)}&created_until=${ago(14)}`);
  await rest("/search?q={txn_id}", `/search?q=${network_id}`);
  await rest("…/overview", `${base}/overview`);
  await rest("/overview", "/overview");

  const { page, context } = await openPage(browser, gateway.admin);
  page.setDefaultTimeout(WAIT_MS);
  await page.goto("/set-up");
  await page.getByLabel("Operator's token").fill(gateway.token);
  await page.getByText("Only look around with the token").click();
  await page.locator(".tg-frame h1").first().waitFor();
  // How long the browser took from an input to the next picture.
  await page.evaluate(() => {
    globalThis.inputs = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (entry.interactionId) globalThis.inputs.push(entry.duration);
    }).observe({ type: "event", durationThreshold: 16, buffered: true });
  });
  const rows = page.getByRole("table", { name: "Payments" }).locator("tbody tr");
  const shown = () => page.waitForFunction(() => document.querySelectorAll("tbody td a").length > 0 && !document.querySelector(".mantine-Skeleton-root"));
  const inside = (to) =>
    page.evaluate((address) => {
      history.pushState({}, "", address);
      dispatchEvent(new PopStateEvent("popstate"));
    }, to);
  const timed = async (name, act) => {
    const took = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await inside("/m/demo/limits");
      await page.getByRole("heading", { name: "Limits" }).first().waitFor();
      const began = performance.now();
      await act(round);
      took.push(performance.now() - began);
    }
    say(name, took);
  };
  // Another address each time: what was shown before would be shown from memory.
  await timed("the list shows", async (round) => {
    await inside(`${PAGE}?from=${ago(29 + round / 100)}`);
    await shown();
  });
  await timed("a filter in the address shows", async (round) => {
    await inside(`${PAGE}?status=declined&from=${ago(1 + round)}`);
    await shown();
  });
  await inside(PAGE);
  await shown();
  const more = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = await rows.count();
    const began = performance.now();
    await page.getByRole("button", { name: "Load more" }).click();
    await page.waitForFunction((count) => document.querySelectorAll("tbody tr").length > count, before);
    more.push(performance.now() - began);
  }
  say("the next 50 show", more);
  for (let key = 0; key < 20; key += 1) await page.keyboard.press(key % 5 === 4 ? "k" : "j");
  await page.keyboard.press("/");
  await page.keyboard.type(account, { delay: 30 });
  await page.waitForURL(/search=/);
  await shown();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search" }).fill(network_id);
  const began = performance.now();
  await page.getByRole("option").filter({ hasText: network_id }).first().waitFor();
  say("⌘K finds a transaction", [performance.now() - began]);
  await page.keyboard.press("Escape");
  const inputs = await page.evaluate(() => globalThis.inputs);
  inputs.sort((a, b) => a - b);
  const at = (part) => inputs[Math.min(inputs.length - 1, Math.ceil(part * inputs.length) - 1)] ?? 16;
  console.log(`| an input until the next picture (of ${inputs.length} longer than 16 ms: half, and 98 of 100) | ${at(0.5)} ms | ${at(0.98)} ms |`);
  await context.close();
} finally {
  await browser.close();
  await gateway.stop();
}

function ago(days) {
  return new Date(Date.now() - days * 86_400_000).toISOString();
}
