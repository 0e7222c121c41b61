import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { soon } from "./soon.mjs";

const require = createRequire(import.meta.url);
const WAIT_MS = 20_000;
/** A page that asks for nothing for so long has what it shows. */
const QUIET_MS = 120;

export async function openBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** A page that fails the test when the browser has something to complain about. */
export async function openPage(browser, base, options = {}) {
  const context = await browser.newContext({ baseURL: base, locale: "en-GB", viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // Answers that a page reckons with, such as "there is no draft", are told by the browser as errors of the network.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  traffic.set(page, watched(page));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== base && !["data:", "blob:"].includes(protocol)) complaints.push(`fetched from outside: ${request.url()}`);
  });
  return { page, context, complaints };
}

/** What each page is fetching, and since when that is unchanged. */
const traffic = new WeakMap();

function watched(page) {
  const state = { going: new Set(), changed: performance.now() };
  const change = (act) => (request) => {
    act(request);
    state.changed = performance.now();
  };
  page.on("request", change((request) => state.going.add(request)));
  page.on("requestfinished", change((request) => state.going.delete(request)));
  page.on("requestfailed", change((request) => state.going.delete(request)));
  return state;
}

/** Goes to an address within the page: the operator's token lives in its memory alone. */
export async function inside(page, address) {
  await page.evaluate((to) => {
    history.pushState({}, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, address);
  traffic.get(page).changed = performance.now();
}

/** Waits until a page shows what it has to show: nothing is on its way, nothing is a placeholder, nothing moves. */
export async function settled(page) {
  await page.locator("main h1, h1").first().waitFor();
  const state = traffic.get(page);
  await soon("the page has what it shows", WAIT_MS, () => state.going.size === 0 && performance.now() - state.changed > QUIET_MS);
  await page.waitForFunction(
    () =>
      !document.querySelector(".mantine-Skeleton-root") &&
      document.getAnimations().every(({ playState, effect }) => playState !== "running" || effect?.getComputedTiming().endTime === Number.POSITIVE_INFINITY),
  );
}

export const button = (page, name) => page.getByRole("button", { name, exact: true });

/** What axe finds wrong, as lines. */
export async function axe(page) {
  const source = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
  // The page's own policy lets no script in; the browser's debugger does.
  await page.evaluate(source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(({ id, impact, nodes }) => nodes.map((node) => `${id} (${impact}): ${node.target.join(" ")} ${node.failureSummary?.split("\n").slice(1, 3).join(" ")}`));
}

/** The operator's token as a session, as before there is an owner. */
export async function lookAround(page, token) {
  await page.goto("/set-up");
  await page.getByLabel("Operator's token").fill(token);
  await page.getByText("Only look around with the token").click();
  const refused = page.getByRole("alert");
  await page.locator(".tg-frame").or(refused).first().waitFor();
  if (await refused.isVisible()) throw new Error(await refused.textContent());
  // Where nothing shows a hint for being pointed at.
  await page.mouse.move(0, 0);
}
