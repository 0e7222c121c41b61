// Every page of a demo with traffic, light and dark, wide and narrow, as pictures to be looked at:
// node screenshots.mjs <folder>, with TOLLGATE as for the tests.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { lookAround, openBrowser, openPage } from "./browser.mjs";
import { startGateway } from "./gateway.mjs";
import { soon } from "./soon.mjs";

const folder = process.argv[2] ?? "screenshots";
const only = process.argv[3];
const LOOKS = [
  ["light", { width: 1440, height: 900 }],
  ["dark", { width: 1440, height: 900 }],
  ["light", { width: 390, height: 844 }],
  ["dark", { width: 390, height: 844 }],
];
const ENOUGH = 60;
const WAIT_MS = 300_000;

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
    const [refused] = (await rest("/merchants/demo/payments?status=declined")).data;
    const [refunded] = (await rest("/merchants/demo/payments?status=partially_refunded")).data;
    const [decision] = (await rest("/merchants/demo/decisions?outcome=reject")).data;
    const [endpoint] = (await rest("/merchants/harbour/webhook-endpoints")).data;
    const [settlement] = (await rest("/merchants/demo/settlements")).data;
    return refused && refunded && decision && endpoint && settlement ? { refused, refunded, decision, endpoint, settlement } : undefined;
  });
}

try {
  const { refused, refunded, decision, endpoint, settlement } = await things();
  await rest("/merchants/demo/exports", "POST", { kind: "payments" });
  await rest("/merchants/metro/rules/replay", "POST", {});
  await rest("/merchants/metro/rules/shadow", "PUT", {});
  const pages = {
    "overview-all": "/overview",
    merchants: "/merchants",
    "people-all": "/people",
    "certificates-all": "/certificates",
    "audit-all": "/audit",
    settings: "/settings",
    overview: "/m/demo/overview",
    "overview-metro": "/m/metro/overview",
    setup: "/m/harbour/setup",
    payments: "/m/demo/payments",
    payment: `/m/demo/payments/${refused.id}`,
    "payment-refunded": `/m/demo/payments/${refunded.id}`,
    decision: `/m/demo/decisions/${decision.id}`,
    rules: "/m/metro/rules",
    "rules-try": "/m/metro/rules?tab=try",
    "rules-replay": "/m/metro/rules?tab=replay",
    "rules-shadow": "/m/metro/rules?tab=shadow",
    "rules-canary": "/m/metro/rules?tab=canary",
    "rules-history": "/m/metro/rules?tab=history",
    "rules-settings": "/m/metro/rules?tab=settings",
    lab: "/m/demo/lab",
    connections: "/m/demo/connections",
    connection: "/m/metro/connections/terminal",
    "connection-out": "/m/demo/connections/payin",
    lists: "/m/metro/lists",
    list: "/m/metro/lists/blocked",
    webhooks: "/m/harbour/webhooks",
    webhook: `/m/harbour/webhooks/${endpoint.id}`,
    wire: "/m/demo/wire",
    reconcile: "/m/demo/reconcile",
    settlement: `/m/demo/reconcile/${settlement.id}`,
    limits: "/m/metro/limits",
    keys: "/m/demo/keys",
    people: "/m/demo/people",
    audit: "/m/metro/audit",
    certificates: "/m/demo/certificates",
  };
  for (const [colorScheme, viewport] of LOOKS) {
    const look = `${colorScheme}-${viewport.width}`;
    await mkdir(join(folder, look), { recursive: true });
    const { page, context } = await openPage(browser, gateway.admin, { colorScheme, viewport, reducedMotion: "reduce" });
    await lookAround(page, gateway.token);
    for (const [name, address] of Object.entries(pages)) {
      if (only && !new RegExp(only).test(name)) continue;
      await page.evaluate((to) => {
        history.pushState({}, "", to);
        dispatchEvent(new PopStateEvent("popstate"));
      }, address);
      await page.locator("main h1, h1").first().waitFor();
      await page.waitForFunction(() => !document.querySelector(".mantine-Skeleton-root"));
      await page.screenshot({ path: join(folder, look, `${name}.png`) });
    }
    await context.close();
  }
} finally {
  await browser.close();
  await gateway.stop();
}
