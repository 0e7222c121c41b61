import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const WAIT_MS = 20_000;

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
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== base && !["data:", "blob:"].includes(protocol)) complaints.push(`fetched from outside: ${request.url()}`);
  });
  return { page, context, complaints };
}

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
