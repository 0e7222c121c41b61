// What the admin UI promises beside its pages: what it lets in, what it asks before, what it keeps apart, and that keys suffice.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { button, inside, lookAround, openBrowser, openPage, settled } from "./browser.mjs";
import { startGateway, txnDate } from "./gateway.mjs";
import { soon } from "./soon.mjs";

const ACCOUNT = "9161234567";
const PASSWORD = "nine quiet trains to Tver";
const WAIT_MS = 20_000;
/** What scripts of a first visit may weigh, packed. */
const FIRST_LOAD_KB = 250;

let gateway;
let browser;

before(async () => {
  gateway = await startGateway();
  browser = await openBrowser();
  await pay("1000000000000001", ACCOUNT, "1234.50");
  await rest("/merchants", "POST", { name: "Other Shop", slug: "other" });
  await rest("/merchants/demo/lists/contracts", "PUT");
  await rest("/merchants/demo/lists/contracts/entries/42", "PUT", { value: { tariff: "gold" } });
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
});

function pay(txn_id, account, sum) {
  return gateway.terminal("demo", "terminal", { command: "pay", txn_id, txn_date: txnDate(), account, sum });
}

async function rest(path, method = "GET", body = undefined) {
  const headers = { authorization: `Bearer ${gateway.token}`, "content-type": "application/json" };
  const answer = await fetch(`${gateway.admin}/admin/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

async function visit(options = {}) {
  const visited = await openPage(browser, gateway.admin, { reducedMotion: "reduce", ...options });
  await lookAround(visited.page, gateway.token);
  return visited;
}

/** What a page asked the REST to change. */
function changesOf(page) {
  const changes = [];
  page.on("request", (request) => {
    if (request.method() !== "GET") changes.push(`${request.method()} ${new URL(request.url()).pathname}`);
  });
  return changes;
}

/** Somebody of a merchant with a role, signed in by an invitation. */
async function staff(merchant, role) {
  const email = `${role}@${merchant}.example`;
  const { url } = await rest(`/merchants/${merchant}/people/invitations`, "POST", { email, role });
  const visited = await openPage(browser, gateway.admin, { reducedMotion: "reduce" });
  const { page } = visited;
  await page.goto(new URL(url).pathname);
  await page.getByLabel("Your name").fill("Sam");
  await page.getByLabel("Password", { exact: false }).first().fill(PASSWORD);
  await button(page, "Accept the invitation").click();
  await page.locator(".tg-frame").waitFor();
  await settled(page);
  return { ...visited, email };
}

test("its policy lets in nothing but its own, and no other site frames it", async () => {
  const page = await fetch(gateway.admin, { headers: { accept: "text/html" } });
  const policy = page.headers.get("content-security-policy");
  const rules = Object.fromEntries(policy.split("; ").map((rule) => [rule.split(" ")[0], rule.split(" ").slice(1).join(" ")]));
  assert.equal(rules["default-src"], "'none'");
  assert.equal(rules["script-src"], "'self'");
  assert.equal(rules["frame-ancestors"], "'none'");
  assert.match(rules["style-src"], /^'self' 'nonce-[\w+/=]+'$/);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  assert.equal(page.headers.get("cache-control"), "no-store");
  assert.equal(page.headers.get("referrer-policy"), "no-referrer");
  const again = await fetch(gateway.admin, { headers: { accept: "text/html" } });
  assert.notEqual(again.headers.get("content-security-policy"), policy, "the nonce is another one each time");
});

test("a script or a style that is not its own does not run", async () => {
  const { page, context } = await openPage(browser, gateway.admin);
  await page.goto("/");
  await settled(page);
  const ran = await page.evaluate(async () => {
    const script = document.createElement("script");
    script.textContent = "globalThis.strange = true";
    document.body.append(script);
    const style = document.createElement("style");
    style.textContent = "h1 { color: rgb(1, 2, 3) !important }";
    document.head.append(style);
    const colour = getComputedStyle(document.querySelector("h1")).color;
    return { script: globalThis.strange === true, style: colour === "rgb(1, 2, 3)" };
  });
  assert.deepEqual(ran, { script: false, style: false });
  await context.close();
});

test("a first visit weighs less than its budget", async () => {
  const { page, context } = await openPage(browser, gateway.admin);
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  const scripts = new Set();
  let bytes = 0;
  session.on("Network.responseReceived", ({ requestId, type }) => type === "Script" && scripts.add(requestId));
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) bytes += encodedDataLength;
  });
  await page.goto("/");
  await settled(page);
  assert.ok(bytes > 0 && bytes < FIRST_LOAD_KB * 1024, `${Math.round(bytes / 1024)} KB of scripts`);
  await context.close();
});

test("an address is kept for whoever must sign in first, and its filters are in it", async () => {
  const { page, context } = await openPage(browser, gateway.admin);
  await page.goto("/m/demo/payments?status=declined&search=42");
  await page.waitForURL(/\/(sign-in|set-up)/);
  await context.close();

  const operator = await visit();
  await inside(operator.page, "/m/demo/payments?status=succeeded");
  await settled(operator.page);
  assert.equal(await operator.page.getByRole("combobox", { name: "Status" }).or(operator.page.getByRole("textbox", { name: "Status" })).first().inputValue(), "succeeded");
  await operator.page.getByRole("table", { name: "Payments" }).getByText(ACCOUNT).first().waitFor();
  await inside(operator.page, "/m/demo/payments?status=failed");
  await operator.page.getByText("No payment matches these filters").waitFor();
  await operator.context.close();
});

test("what cannot be undone wants its name typed, and nothing happens before", async () => {
  const { page, context, complaints } = await visit();
  const changes = changesOf(page);
  for (const [address, opener, typed] of [
    ["/m/other/setup", "Delete the merchant", "other"],
    ["/m/other/setup", "Suspend", "other"],
    ["/m/demo/connections/payin", "Delete the connection", "payin"],
    ["/m/demo/lists/contracts", "Delete the list", "contracts"],
  ]) {
    await inside(page, address);
    await settled(page);
    await button(page, opener).click();
    const sheet = page.getByRole("dialog");
    const act = sheet.getByRole("button", { name: opener, exact: true });
    await act.waitFor();
    assert.ok(await act.isDisabled(), `${opener} waits for the name`);
    await sheet.getByRole("textbox").fill(`${typed}x`);
    assert.ok(await act.isDisabled(), `${opener} wants this name and no other`);
    await sheet.getByRole("textbox").fill(typed);
    assert.ok(await act.isEnabled());
    await page.keyboard.press("Escape");
    await sheet.waitFor({ state: "hidden" });
  }
  assert.deepEqual(changes, []);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a key that was removed from a list comes back by undo, with its value", async () => {
  const { page, context } = await visit();
  await inside(page, "/m/demo/lists/contracts");
  await settled(page);
  await button(page, "Remove").click();
  await page.getByText("42 is removed").waitFor();
  assert.deepEqual((await rest("/merchants/demo/lists/contracts/entries")).data, []);
  await button(page, "Undo").click();
  await page.getByText('{"tariff":"gold"}').waitFor();
  assert.deepEqual((await rest("/merchants/demo/lists/contracts/entries")).data[0].value, { tariff: "gold" });
  await context.close();
});

test("an act that was confirmed does not send the form under it", async () => {
  await rest("/merchants/other/rules/draft", "PUT", { source: "local rules = {}\nfunction rules.check(request, ctx)\n  return accept()\nend\nreturn rules\n" });
  await rest("/merchants/other/rules/publish", "POST", { message: "First" });
  const { page, context } = await visit();
  await inside(page, "/m/other/rules?tab=settings");
  await settled(page);
  await page.getByRole("textbox", { name: "Hosts that rules may call" }).fill("billing.example");
  const changes = changesOf(page);
  await button(page, "Take the rules out of service").click();
  await page.getByRole("dialog").getByRole("textbox").fill("other");
  await page.getByRole("dialog").getByRole("button", { name: "Take the rules out of service" }).click();
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  assert.deepEqual(changes, ["DELETE /admin/v1/merchants/other/rules"]);
  await context.close();
});

test("of one merchant nothing stays on the page of the next", async () => {
  const { page, context } = await visit();
  // What is known of both already shows at once, without a placeholder between.
  await inside(page, "/m/other/setup");
  await settled(page);
  await inside(page, "/m/demo/setup");
  await settled(page);
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("A name for the demo alone");
  await page.getByRole("textbox", { name: "An account that may be paid" }).fill(ACCOUNT);
  await page.getByRole("button", { name: /^Switch merchant/ }).filter({ visible: true }).click();
  await page.getByRole("button", { name: "Other Shop other" }).click();
  await page.getByRole("heading", { name: "Other Shop active" }).waitFor();
  await settled(page);
  assert.equal(await page.getByRole("textbox", { name: "Name", exact: true }).inputValue(), "Other Shop");
  assert.equal(await page.getByRole("textbox", { name: "An account that may be paid" }).inputValue(), "");
  await context.close();
});

test("played networks tint the frame, in the light and in the dark; others do not", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const { page, context } = await visit({ colorScheme });
    const side = () => page.locator(".tg-side").evaluate((element) => getComputedStyle(element).backgroundColor);
    await inside(page, "/m/other/overview");
    await settled(page);
    const plain = await side();
    assert.equal(await page.getByText("test", { exact: true }).count(), 0);
    await inside(page, "/m/demo/overview");
    await page.getByText("test", { exact: true }).waitFor();
    assert.notEqual(await side(), plain);
    const content = await page.locator("main").evaluate((element) => getComputedStyle(element).backgroundColor);
    assert.equal(content, "rgba(0, 0, 0, 0)", "the content is never tinted");
    await context.close();
  }
});

test("moments are told in UTC on hover, and amounts as each language writes them", async () => {
  const { page, context } = await visit();
  await inside(page, "/m/demo/payments");
  await settled(page);
  assert.match(await page.locator("tbody time").first().getAttribute("title"), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC$/);
  assert.match((await page.locator(".tg-money").first().textContent()).replace(/\s/g, " "), /^RUB 1,234\.50$/);
  await button(page, "Your account").click();
  await page.getByRole("menuitem", { name: "По-русски" }).click();
  await soon("amounts in Russian", WAIT_MS, async () => (await page.locator(".tg-money").first().textContent()).replace(/\s/g, " ") === "1 234,50 ₽");
  assert.equal(await page.locator("html").getAttribute("lang"), "ru");
  await context.close();
});

test("keys alone find a payment, open what happened, and write and leave a rule", async () => {
  const { page, context, complaints } = await visit();
  const focused = (what) => page.evaluate((name) => document.activeElement?.getAttribute(name) ?? document.activeElement?.textContent, what);
  await inside(page, "/m/demo/overview");
  await settled(page);
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("Tab");
  assert.equal(await focused("href"), "#content");
  await page.keyboard.press("Enter");
  assert.equal(await focused("id"), "content");

  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search" }).waitFor();
  await page.keyboard.type("1000000000000001");
  await page.getByRole("option").filter({ hasText: "1000000000000001" }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/payments\/pay_/);
  await settled(page);

  const step = page.locator(".tg-step-head").first();
  await step.focus();
  await page.keyboard.press("Enter");
  await page.getByText("Copy as curl").first().waitFor();
  await page.keyboard.press("Enter");
  await page.getByText("Copy as curl").first().waitFor({ state: "hidden" });

  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  const editor = page.getByRole("textbox", { name: "Rule script" });
  await editor.waitFor();
  await editor.focus();
  await page.keyboard.press("Control+End");
  await page.keyboard.press("Enter");
  await page.keyboard.type("-- typed");
  await page.getByText("-- typed").first().waitFor();
  await page.keyboard.press("Escape");
  // While it looks for what could complete a word, the first Esc takes that back.
  if ((await page.evaluate(() => document.activeElement?.tagName)) !== "BODY") await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "BODY", "Esc leaves the editor");
  assert.match(page.url(), /\/rules/, "and stays on the page");
  await page.keyboard.press("Tab");
  assert.notEqual(await page.evaluate(() => document.activeElement?.tagName), "BODY");
  await page.getByRole("radio", { name: "Tests" }).focus();
  await page.keyboard.press("ArrowRight");
  await page.waitForURL(/tab=try/);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a difference of a registry is settled with a note", async () => {
  await pay("1000000000000077", ACCOUNT, "10.00");
  const [payment] = (await rest("/merchants/demo/payments?search=1000000000000077")).data;
  const at = new Date(Date.parse(payment.booked_at ?? payment.created_at) + 3 * 3_600_000).toISOString();
  const [day, clock] = [at.slice(0, 10).split("-").reverse().join("."), at.slice(11, 19)];
  const file = `1000000000000077\t${day}\t${clock}\t${ACCOUNT}\t10.01\r\nTotal:\t1\t10.01\r\n`;
  const { page, context, complaints } = await visit();
  await inside(page, "/m/demo/reconcile");
  await settled(page);
  await button(page, "Compare a registry").click();
  const sheet = page.getByRole("dialog");
  await sheet.getByRole("textbox", { name: "Connection" }).click();
  await page.getByRole("option", { name: "terminal", exact: true }).click();
  await sheet.locator('input[type="file"]').setInputFiles({ name: "registry.csv", mimeType: "text/csv", buffer: Buffer.from(file) });
  await sheet.getByRole("button", { name: "Compare a registry" }).click();
  await page.waitForURL(/\/reconcile\/\w+/);
  const row = page.getByRole("row").filter({ hasText: "1000000000000077" });
  await row.getByText("amounts differ").waitFor();
  await row.getByRole("button", { name: "Settle" }).click();
  await page.getByRole("textbox", { name: "Note" }).fill("A kopeck too much in their file");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await row.getByText("A kopeck too much in their file").waitFor();
  await row.getByText("settled").waitFor();
  await page.getByText("Only what nobody settled yet").click();
  await row.waitFor({ state: "hidden" });
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a merchant's admin lowers its own limits, and sees no other merchant", async () => {
  const { page, context, complaints, email } = await staff("other", "admin");
  await inside(page, "/m/other/limits");
  await settled(page);
  await page.getByText("What the merchant allows itself").waitFor();
  await page.getByRole("textbox", { name: "Requests in flight" }).fill("7");
  await button(page, "Save").click();
  await page.getByText("Saved").waitFor();
  assert.equal((await rest("/merchants/other/limits")).own.in_flight, 7);
  await page.getByText("The operator's", { exact: true }).click();
  assert.ok(await button(page, "Save").isDisabled());

  // The settings are of no merchant; the way back to theirs stays beside them.
  await inside(page, "/settings");
  await settled(page);
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Payments" }).waitFor();
  await page.getByRole("button", { name: "Switch merchant: Other Shop" }).filter({ visible: true }).click();
  assert.equal(await page.getByText("Demo Telecom").count(), 0);
  assert.equal(await page.getByText("All merchants").count(), 0);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search" }).fill("1000000000000001");
  await page.getByText("Nothing matches").waitFor();
  await page.keyboard.press("Escape");
  for (const address of ["/m/demo/overview", "/m/demo/payments", "/m/demo/setup", "/m/demo/people", "/merchants", "/people"]) {
    await inside(page, address);
    await settled(page);
    assert.doesNotMatch(await page.locator("main").innerText(), new RegExp(`Demo Telecom|${ACCOUNT}`), address);
  }
  assert.deepEqual(complaints, []);
  assert.ok(email);
  await context.close();
});

test("a viewer reads payments, and is offered nothing that a viewer may not do", async () => {
  await pay("1000000000000099", "8161234567", "50.00");
  const { page, context, complaints } = await staff("demo", "viewer");
  await inside(page, "/m/demo/payments?status=declined");
  await settled(page);
  assert.equal(await button(page, "Export").count(), 0);
  await page.locator("tbody tr a").first().click();
  await page.locator(".tg-timeline").waitFor();
  await settled(page);
  assert.equal(await page.getByRole("alert").count(), 0, "what a viewer may not read is not asked for");
  for (const name of ["Terminal lab", "API keys", "Wire log"]) assert.equal(await page.getByRole("link", { name }).count(), 0, name);
  assert.deepEqual(complaints, []);
  await context.close();
});
