// How much a first visit fetches, and how long its pages take: node figures.mjs, with TOLLGATE as for the tests.

import { openBrowser, openPage } from "./browser.mjs";
import { startGateway, txnDate } from "./gateway.mjs";

const gateway = await startGateway();
const browser = await openBrowser();
try {
  for (let index = 0; index < 60; index += 1) {
    await gateway.terminal("demo", "terminal", { command: "pay", txn_id: `50000000000${index}`, txn_date: txnDate(), account: "9161234567", sum: "10.00" });
  }
  const { page, context } = await openPage(browser, gateway.admin);
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  let bytes = { script: 0, style: 0, font: 0, other: 0 };
  const kinds = new Map();
  session.on("Network.responseReceived", ({ requestId, type }) => kinds.set(requestId, type.toLowerCase()));
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const kind = { script: "script", stylesheet: "style", font: "font" }[kinds.get(requestId)] ?? "other";
    bytes[kind] += encodedDataLength;
  });
  const report = async (name, act, seen) => {
    bytes = { script: 0, style: 0, font: 0, other: 0 };
    const from = performance.now();
    await act();
    await page.locator(seen).first().waitFor();
    const took = Math.round(performance.now() - from);
    await page.waitForLoadState("networkidle");
    const kb = Object.fromEntries(Object.entries(bytes).map(([kind, size]) => [kind, Math.round(size / 102.4) / 10]));
    console.log(name.padEnd(28), `${took} ms`.padStart(8), `script ${kb.script} KB, style ${kb.style} KB, font ${kb.font} KB`);
  };
  const inside = (to) => () =>
    page.evaluate((address) => {
      history.pushState({}, "", address);
      dispatchEvent(new PopStateEvent("popstate"));
    }, to);
  await report("first visit, cold", () => page.goto("/"), "h1");
  await page.getByLabel("Operator's token").fill(gateway.token);
  await report("signed in, overview", () => page.getByText("Only look around with the token").click(), ".tg-frame h1");
  await report("payments", inside("/m/demo/payments"), "tbody a");
  await report("a payment", async () => page.locator("tbody tr a").first().click(), ".tg-timeline");
  await report("rules", inside("/m/demo/rules"), ".cm-content");
  await report("payments, again", inside("/m/demo/payments"), "tbody a");
} finally {
  await browser.close();
  await gateway.stop();
}
