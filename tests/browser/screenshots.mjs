// Every page of a demo with traffic, light and dark, wide and narrow, as pictures to be looked at:
// node screenshots.mjs <folder> [only], with TOLLGATE (and PAGES) as for the tests.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { button, inside, lookAround, openBrowser, openPage, settled } from "./browser.mjs";
import { startGateway } from "./gateway.mjs";
import { soon } from "./soon.mjs";

const folder = process.argv[2] ?? "screenshots";
const only = process.argv[3] && new RegExp(process.argv[3]);
const LOOKS = [
  ["light", { width: 1440, height: 900 }],
  ["dark", { width: 1440, height: 900 }],
  ["light", { width: 390, height: 844 }],
  ["dark", { width: 390, height: 844 }],
];
const ENOUGH = 60;
const WAIT_MS = 300_000;
const ACCOUNT = "9161234567";
const PASSWORD = "nine quiet trains to Tver";

const gateway = await startGateway(["--traffic"]);
const browser = await openBrowser();

async function rest(path, method = "GET", body = undefined) {
  const headers = { authorization: `Bearer ${gateway.token}`, "content-type": "application/json" };
  const answer = await fetch(`${gateway.admin}/admin/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  return answer.ok && answer.status !== 204 ? answer.json() : undefined;
}

/** Things that pages are about, once the traffic has made them. */
async function things() {
  return soon("the traffic has made one of everything", WAIT_MS, async () => {
    const overview = await rest("/overview");
    if (!overview || overview.payments < ENOUGH) return undefined;
    const [refused] = (await rest("/merchants/demo/payments?status=declined&connection=terminal")).data;
    const [refunded] = (await rest("/merchants/demo/payments?status=partially_refunded")).data;
    const [decision] = (await rest("/merchants/demo/decisions?outcome=reject")).data;
    const [endpoint] = (await rest("/merchants/harbour/webhook-endpoints")).data;
    const [settlement] = (await rest("/merchants/demo/settlements")).data;
    return refused && refunded && decision && endpoint && settlement ? { refused, refunded, decision, endpoint, settlement } : undefined;
  });
}

/** Pages by name: where they are, and what is done there before the picture is taken. */
function pagesOf({ refused, refunded, decision, endpoint, settlement }) {
  const openSteps = async (page) => {
    const shut = page.locator(".tg-step-head[aria-expanded=false]");
    while ((await shut.count()) > 0) await shut.first().click();
  };
  return {
    "overview-all": ["/overview"],
    merchants: ["/merchants"],
    "merchants-new": ["/merchants", (page) => button(page, "New merchant").click()],
    "people-all": ["/people"],
    "certificates-all": ["/certificates"],
    "audit-all": ["/audit"],
    settings: ["/settings"],
    overview: ["/m/demo/overview"],
    "overview-metro": ["/m/metro/overview"],
    "overview-empty": ["/m/quiet/overview"],
    setup: ["/m/harbour/setup"],
    "setup-checked": [
      "/m/demo/setup",
      async (page) => {
        await page.getByLabel("An account that may be paid").fill(ACCOUNT);
        await button(page, "Run the checks").click();
        await page.getByRole("status", { name: "Try it" }).waitFor();
      },
    ],
    "setup-delete": ["/m/harbour/setup", (page) => button(page, "Delete the merchant").click()],
    payments: ["/m/demo/payments"],
    "payments-filtered": ["/m/demo/payments?status=declined&connection=terminal"],
    "payments-nothing": ["/m/demo/payments?search=nothing"],
    "payments-empty": ["/m/quiet/payments"],
    "payments-export": [
      "/m/demo/payments",
      async (page) => {
        await button(page, "Export").click();
        await button(page, "Make a CSV file").click();
        await page.getByRole("list", { name: "Files" }).waitFor();
      },
    ],
    payment: [`/m/demo/payments/${refused.id}`],
    "payment-opened": [`/m/demo/payments/${refused.id}`, openSteps],
    "payment-refunded": [`/m/demo/payments/${refunded.id}`],
    "payment-refund": [`/m/demo/payments/${refunded.id}`, (page) => button(page, "Refund").click()],
    decision: [`/m/demo/decisions/${decision.id}`],
    rules: ["/m/metro/rules"],
    "rules-try": ["/m/metro/rules?tab=try"],
    "rules-replay": [
      "/m/metro/rules?tab=replay",
      async (page) => {
        await page.locator(".tg-changes .tg-line-link").first().click();
      },
    ],
    "rules-shadow": ["/m/metro/rules?tab=shadow"],
    "rules-canary": ["/m/metro/rules?tab=canary"],
    "rules-history": [
      "/m/metro/rules?tab=history",
      async (page) => {
        await button(page, "r1").click();
      },
    ],
    "rules-settings": ["/m/metro/rules?tab=settings"],
    "rules-publish": ["/m/metro/rules?tab=replay", (page) => button(page, "Publish…").click()],
    "rules-templates": ["/m/metro/rules", (page) => button(page, "Templates").click()],
    "rules-none": ["/m/quiet/rules"],
    lab: ["/m/demo/lab"],
    "lab-checked": [
      "/m/demo/lab",
      async (page) => {
        await page.getByLabel("Account or phone").fill(ACCOUNT);
        await button(page, "Check the account").click();
        await page.locator(".tg-code").first().waitFor();
      },
    ],
    "lab-conformance": [
      "/m/demo/lab",
      async (page) => {
        await page.getByLabel("An account that may be paid").fill(ACCOUNT);
        await button(page, "Run").click();
        await page.getByText("8 of 8 passed").waitFor();
      },
    ],
    connections: ["/m/demo/connections"],
    "connections-new": [
      "/m/demo/connections",
      async (page) => {
        await button(page, "Add a connection").click();
        await page.getByRole("dialog").getByRole("textbox", { name: "Network" }).click();
        await page.getByRole("option", { name: "QIWI terminals" }).click();
      },
    ],
    connection: ["/m/metro/connections/terminal"],
    "connection-out": ["/m/demo/connections/payin"],
    lists: ["/m/metro/lists"],
    "lists-none": ["/m/quiet/lists"],
    list: ["/m/metro/lists/blocked"],
    webhooks: ["/m/harbour/webhooks"],
    "webhooks-attempts": ["/m/harbour/webhooks", (page) => page.getByRole("table", { name: "Deliveries" }).locator("tbody button").first().click()],
    "webhooks-new": ["/m/harbour/webhooks", (page) => button(page, "Add an endpoint").click()],
    webhook: [`/m/harbour/webhooks/${endpoint.id}`],
    wire: ["/m/demo/wire"],
    "wire-opened": ["/m/demo/wire?connection=terminal", (page) => page.locator(".tg-wire-url").first().click()],
    reconcile: ["/m/demo/reconcile"],
    "reconcile-none": ["/m/quiet/reconcile"],
    settlement: [`/m/demo/reconcile/${settlement.id}`],
    "settlement-note": [`/m/demo/reconcile/${settlement.id}`, (page) => page.getByRole("button", { name: /^(Settle|Edit)$/ }).first().click()],
    limits: ["/m/metro/limits"],
    "limits-window": ["/m/metro/limits", (page) => button(page, "Add a window").first().click()],
    keys: ["/m/demo/keys"],
    "keys-new": ["/m/demo/keys", (page) => button(page, "Make a key").click()],
    "keys-limits": ["/m/demo/keys", (page) => button(page, "Limits").first().click()],
    people: ["/m/demo/people"],
    audit: ["/m/metro/audit"],
    "audit-opened": ["/m/metro/audit", (page) => page.getByRole("table", { name: "Audit" }).locator("tbody button", { hasText: "Limits set" }).click()],
    certificates: ["/m/demo/certificates"],
    "no-such-page": ["/m/demo/nothing"],
    "no-such-payment": ["/m/demo/payments/pay_01J00000000000000000000000"],
    search: [
      "/m/demo/overview",
      async (page) => {
        await page.keyboard.press("Control+k");
        await page.getByRole("combobox", { name: "Search" }).fill(refused.account);
        await page.getByRole("option").first().waitFor();
      },
    ],
    "search-nothing": [
      "/m/demo/overview",
      async (page) => {
        await page.keyboard.press("Control+k");
        await page.getByRole("combobox", { name: "Search" }).fill("nothing like this");
      },
    ],
    keyboard: ["/m/demo/overview", (page) => page.keyboard.press("?")],
    switcher: [
      "/m/demo/overview",
      async (page) => {
        const burger = page.getByRole("button", { name: "Open navigation" });
        if (await burger.isVisible()) await burger.click();
        await page.getByRole("button", { name: /^Switch merchant/ }).filter({ visible: true }).click();
      },
    ],
  };
}

/** Some pages in Russian: letters, plurals and amounts are others there, and longer. */
function russianPages({ refused, refunded, settlement }) {
  return {
    "ru-overview": ["/m/metro/overview"],
    "ru-payments": ["/m/demo/payments"],
    "ru-payment": [`/m/demo/payments/${refused.id}`],
    "ru-payment-refunded": [`/m/demo/payments/${refunded.id}`],
    "ru-rules": ["/m/metro/rules?tab=replay"],
    "ru-setup": ["/m/harbour/setup"],
    "ru-connection": ["/m/demo/connections/payin"],
    "ru-webhooks": ["/m/harbour/webhooks"],
    "ru-settlement": [`/m/demo/reconcile/${settlement.id}`],
    "ru-limits": ["/m/metro/limits"],
    "ru-people": ["/m/metro/people"],
    "ru-settings": ["/settings"],
  };
}

async function take(page, look, pages) {
  for (const [name, [address, act]] of Object.entries(pages)) {
    if (only && !only.test(name)) continue;
    await inside(page, address);
    await settled(page);
    if (act) {
      await act(page);
      await settled(page);
    }
    // The frame's head and side stay in the window; a picture of the whole page has them where the page begins.
    await page.evaluate(() => scrollTo(0, 0));
    // What lies over the page covers the window and no more.
    const over = await page.getByRole("dialog").filter({ visible: true }).count();
    await page.screenshot({ path: join(folder, look, `${name}.png`), fullPage: over === 0 });
    for (let closing = 0; closing < over; closing += 1) await page.keyboard.press("Escape");
  }
}

/** Somebody of a merchant, who came by an invitation. */
async function asStaff(look, colorScheme, viewport) {
  const email = `dana.${look}@metro.example`;
  const { url } = await rest("/merchants/metro/people/invitations", "POST", { email, role: "admin" });
  const { page, context } = await openPage(browser, gateway.admin, { colorScheme, viewport, reducedMotion: "reduce" });
  await page.goto(new URL(url).pathname);
  await settled(page);
  if (!only || only.test("invitation")) await page.screenshot({ path: join(folder, look, "invitation.png"), fullPage: true });
  await page.getByLabel("Your name").fill("Dana Admin");
  await page.getByLabel("Password", { exact: false }).first().fill(PASSWORD);
  await button(page, "Accept the invitation").click();
  await page.locator(".tg-frame, .tg-qr").first().waitFor();
  await settled(page);
  if (await page.locator(".tg-qr").count()) await page.screenshot({ path: join(folder, look, "second-factor.png"), fullPage: true });
  else {
    await take(page, look, {
      "staff-overview": ["/m/metro/overview"],
      "staff-limits": ["/m/metro/limits"],
      "staff-people": ["/m/metro/people"],
      "staff-settings": ["/settings"],
      "staff-second-factor": ["/settings", (own) => button(own, "Set it up").click()],
      "staff-refused": ["/m/demo/payments"],
    });
  }
  await context.close();
}

try {
  const found = await things();
  await rest("/merchants", "POST", { name: "Quiet Kiosk", slug: "quiet" });
  await rest("/merchants/metro/rules/replay", "POST", {});
  await rest("/merchants/metro/rules/shadow", "PUT", {});
  for (const [colorScheme, viewport] of LOOKS) {
    const look = `${colorScheme}-${viewport.width}`;
    await mkdir(join(folder, look), { recursive: true });
    const { page, context } = await openPage(browser, gateway.admin, { colorScheme, viewport, reducedMotion: "reduce" });
    await page.goto("/set-up");
    await settled(page);
    if (!only || only.test("set-up")) await page.screenshot({ path: join(folder, look, "set-up.png"), fullPage: true });
    await lookAround(page, gateway.token);
    await take(page, look, pagesOf(found));
    await button(page, "Your account").click();
    await page.getByRole("menuitem", { name: "По-русски" }).click();
    await take(page, look, russianPages(found));
    await context.close();
    if (!only || /invitation|staff/.test(only.source)) await asStaff(look, colorScheme, viewport);
  }
} finally {
  await browser.close();
  await gateway.stop();
}
