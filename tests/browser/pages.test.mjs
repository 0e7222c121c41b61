// Every page, light and dark, wide and narrow: nothing that axe objects to, nothing wider than its window.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, button, inside, lookAround, openBrowser, openPage, settled } from "./browser.mjs";
import { startGateway, txnDate } from "./gateway.mjs";

const NARROW = { width: 360, height: 780 };
const WIDE = { width: 1440, height: 900 };

let gateway;
let browser;
let addresses;

before(async () => {
  gateway = await startGateway();
  browser = await openBrowser();
  const terminal = (txn_id, account, sum) => gateway.terminal("demo", "terminal", { command: "pay", txn_id, txn_date: txnDate(), account, sum });
  await terminal("1000000000000001", "9161234567", "1234.50");
  await terminal("1000000000000002", "8161234567", "50.00");
  const rest = async (path, options) => {
    const headers = { authorization: `Bearer ${gateway.token}`, "content-type": "application/json" };
    const response = await fetch(`${gateway.admin}/admin/v1${path}`, { headers, ...options });
    assert.ok(response.ok, `${path}: ${response.status}`);
    return response.status === 204 ? undefined : response.json();
  };
  await rest("/merchants/demo/lists/contracts", { method: "PUT" });
  await rest("/merchants/demo/lists/contracts/entries/42", { method: "PUT", body: JSON.stringify({ value: { tariff: "gold" } }) });
  await rest("/merchants", { method: "POST", body: JSON.stringify({ name: "Quiet Kiosk", slug: "quiet" }) });
  const day = txnDate().replace(/^(\d{4})(\d\d)(\d\d).*/, "$3.$2.$1");
  const settlement = await rest("/merchants/demo/connections/terminal/settlements?file_name=registry.csv", {
    method: "POST",
    body: `1000000000000001\t${day}\t00:00:01\t9161234567\t1234.51\r\nTotal:\t1\t1234.51\r\n`,
  });
  const rules = await rest("/merchants/demo/rules");
  await rest("/merchants/demo/rules/draft", { method: "PUT", body: JSON.stringify({ source: `-- Changed\n${rules.source}` }) });
  const [refused] = (await rest("/merchants/demo/payments?status=declined")).data;
  const [decision] = (await rest("/merchants/demo/decisions?outcome=reject")).data;
  const [endpoint] = (await rest("/merchants/demo/webhook-endpoints")).data;
  addresses = [
    "/overview",
    "/merchants",
    "/people",
    "/certificates",
    "/audit",
    "/settings",
    "/m/demo/overview",
    "/m/demo/setup",
    "/m/demo/payments",
    `/m/demo/payments/${refused.id}`,
    `/m/demo/decisions/${decision.id}`,
    ...["", "?tab=try", "?tab=replay", "?tab=shadow", "?tab=canary", "?tab=history", "?tab=settings"].map((tab) => `/m/demo/rules${tab}`),
    "/m/demo/lab",
    "/m/demo/connections",
    "/m/demo/connections/terminal",
    "/m/demo/connections/payin",
    "/m/demo/lists",
    "/m/demo/lists/contracts",
    "/m/demo/webhooks",
    `/m/demo/webhooks/${endpoint.id}`,
    "/m/demo/wire",
    "/m/demo/reconcile",
    "/m/demo/limits",
    "/m/demo/keys",
    "/m/demo/people",
    "/m/demo/audit",
    "/m/demo/certificates",
    "/no/such/page",
    "/m/demo/no/such/page",
    "/m/demo/payments/pay_01J00000000000000000000000",
    "/m/demo/payments?search=nothing",
    `/m/demo/reconcile/${settlement.id}`,
    ...["overview", "setup", "payments", "rules", "lab", "connections", "lists", "webhooks", "reconcile", "keys", "people"].map((page) => `/m/quiet/${page}`),
  ];
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
});

for (const [colorScheme, viewport] of [
  ["light", WIDE],
  ["dark", WIDE],
  ["light", NARROW],
  ["dark", NARROW],
]) {
  test(`every page, ${colorScheme}, ${viewport.width} px`, async () => {
    const { page, context, complaints } = await openPage(browser, gateway.admin, { colorScheme, viewport });
    const found = [];
    await page.goto("/set-up");
    await settled(page);
    found.push(...(await axe(page)).map((line) => `/set-up: ${line}`));
    await lookAround(page, gateway.token);
    for (const address of addresses) {
      await inside(page, address);
      await settled(page);
      found.push(...(await axe(page)).map((line) => `${address}: ${line}`));
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (overflow > 0) found.push(`${address}: ${overflow} px wider than its window`);
    }
    assert.deepEqual(found, []);
    assert.deepEqual(complaints, []);
    await context.close();
  });
}

const SHEETS = [
  ["/merchants", "New merchant"],
  ["/m/demo/payments", "Export"],
  ["/m/demo/setup", "Clone"],
  ["/m/demo/keys", "Limits"],
  ["/people", "Invite"],
  ["/certificates", "Add a certificate"],
  ["/m/demo/rules", "Templates"],
  ["/m/demo/rules", "Publish…"],
  ["/m/demo/rules?tab=settings", "Add a secret"],
  ["/m/demo/rules?tab=settings", "Take the rules out of service"],
  ["/m/demo/setup", "Delete the merchant"],
  ["/m/demo/connections", "Add a connection"],
  ["/m/demo/connections/payin", "Delete the connection"],
  ["/m/demo/connections/terminal", "Issue a certificate"],
  ["/m/demo/webhooks", "Add an endpoint"],
  ["/m/demo/lists/contracts", "Add a key"],
  ["/m/demo/reconcile", "Compare a registry"],
  ["/m/demo/keys", "Make a key"],
];

/** Steps of a payment that open in place, rows that do, and what hangs from buttons. */
const OPENED = [
  ["/m/demo/payments", (page) => button(page, "Columns").click()],
  ["/m/demo/wire", (page) => page.locator(".tg-wire-url").first().click()],
  ["/m/demo/webhooks", (page) => page.getByRole("table", { name: "Deliveries" }).locator("tbody button").first().click()],
  ["/m/demo/audit", (page) => page.getByRole("table", { name: "Audit" }).locator("tbody button").first().click()],
  ["/m/demo/limits", (page) => button(page, "Add a window").first().click()],
  ["/m/demo/overview", (page) => button(page, "Your account").click()],
];

for (const [colorScheme, viewport] of [
  ["light", WIDE],
  ["dark", WIDE],
  ["light", NARROW],
  ["dark", NARROW],
]) {
  test(`what opens over pages and within them, ${colorScheme}, ${viewport.width} px`, async () => {
    const { page, context, complaints } = await openPage(browser, gateway.admin, { colorScheme, viewport, reducedMotion: "reduce" });
    const found = [];
    await lookAround(page, gateway.token);
    for (const [address, name] of SHEETS) {
      await inside(page, address);
      await settled(page);
      await button(page, name).first().click();
      await page.getByRole("dialog").waitFor();
      await settled(page);
      found.push(...(await axe(page)).map((line) => `${address}, ${name}: ${line}`));
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "hidden" });
    }
    for (const [address, open] of OPENED) {
      await inside(page, address);
      await settled(page);
      await open(page);
      await settled(page);
      found.push(...(await axe(page)).map((line) => `${address}, opened: ${line}`));
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (overflow > 0) found.push(`${address}, opened: ${overflow} px wider than its window`);
      await page.keyboard.press("Escape");
    }
    await inside(page, "/m/demo/overview");
    await settled(page);
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Search" }).fill("rules");
    await page.getByRole("option").first().waitFor();
    found.push(...(await axe(page)).map((line) => `search: ${line}`));
    assert.deepEqual(found, []);
    assert.deepEqual(complaints, []);
    await context.close();
  });
}
