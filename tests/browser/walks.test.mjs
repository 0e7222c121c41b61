// What people do in the admin UI, from the first owner to a rolled back rule, in a real browser on the real binary.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { button, openBrowser, openPage } from "./browser.mjs";
import { startGateway, txnDate } from "./gateway.mjs";
import { soon } from "./soon.mjs";
import { code } from "./totp.mjs";

const OWNER = { email: "ann@example.com", name: "Ann Owner", password: "seven wide lakes at dawn" };
const SUPPORT = { email: "sam@example.com", name: "Sam Support", password: "nine quiet trains to Tver" };
const WAIT_MS = 20_000;

let gateway;
let browser;
let owner;
let recoveryCodes;

before(async () => {
  gateway = await startGateway();
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
});

const field = (page, label) => page.getByLabel(label, { exact: true });

async function fieldIn(page, label, text) {
  await page.getByRole("textbox", { name: label }).first().fill(text);
}

/** Goes to an address within the pages, as a link would. */
async function go(page, path) {
  await page.goto(path);
  await page.locator("main h1").first().waitFor();
}

function quiet({ complaints }) {
  assert.deepEqual(complaints.splice(0), [], "the browser complained");
}

test("the first owner sets the gateway up, with a second factor, and signs in by it", async () => {
  owner = await openPage(browser, gateway.admin);
  const { page } = owner;
  await page.goto("/");
  await page.getByRole("heading", { name: "Set up this gateway" }).waitFor();
  await page.getByLabel("Operator's token").fill(gateway.token);
  await page.getByLabel("Your name").fill(OWNER.name);
  await page.getByLabel("E-mail").fill(OWNER.email);
  await page.getByLabel("Password", { exact: false }).last().fill(OWNER.password);
  await button(page, "Become the owner").click();

  await page.getByRole("heading", { name: "Protect your account" }).waitFor();
  const secret = await soon("the secret is shown", WAIT_MS, async () => (await page.locator(".tg-totp-secret").textContent())?.trim());
  const digits = code(secret);
  for (let index = 0; index < 6; index += 1) {
    await page.getByLabel(`Code of your second factor ${index + 1}`).fill(digits[index]);
  }
  await button(page, "Turn it on").click();
  await page.getByRole("heading", { name: "Recovery codes" }).waitFor();
  recoveryCodes = (await page.locator("pre").textContent()).trim().split("\n");
  assert.ok(recoveryCodes.length >= 5);
  await button(page, "I have kept them").click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();

  await page.reload();
  await page.getByRole("heading", { name: "Overview" }).waitFor();

  await page.getByRole("button", { name: "Your account" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByLabel("E-mail").fill(OWNER.email);
  await page.getByLabel("Password").first().fill(OWNER.password);
  await button(page, "Sign in").click();
  await page.getByLabel("Code of your second factor").fill(recoveryCodes[0]);
  await button(page, "Sign in").click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  quiet(owner);
});

test("whoever must sign in first comes to the address that was asked for, with its filters", async () => {
  const visited = await openPage(browser, gateway.admin);
  const { page } = visited;
  await page.goto("/m/demo/payments?status=declined&search=42");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByLabel("E-mail").fill(OWNER.email);
  await page.getByLabel("Password").first().fill(OWNER.password);
  await button(page, "Sign in").click();
  await page.getByLabel("Code of your second factor").fill(recoveryCodes[1]);
  await button(page, "Sign in").click();
  await page.getByRole("heading", { name: "Payments" }).waitFor();
  assert.match(page.url(), /\/m\/demo\/payments\?status=declined&search=42$/);
  quiet(visited);
  await visited.context.close();
});

test("a payment is found by the terminal's txn_id, and its page says why it was refused", async () => {
  const { page } = owner;
  const txn_id = "7700000000000042";
  await gateway.terminal("demo", "terminal", { command: "pay", txn_id, txn_date: txnDate(), account: "8161234567", sum: "120.00" });
  await go(page, "/m/demo/overview");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search" }).fill(txn_id);
  await page.getByRole("option").filter({ hasText: txn_id }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/m\/demo\/payments\/pay_/);
  await page.getByText("there is no such account").first().waitFor();
  // The decision that refused opens itself: the line that decided is marked, with what it read beside it.
  await page.locator(".tg-line-decided").filter({ hasText: 'reject("account_not_found"' }).waitFor();
  await page.locator(".tg-code-margin").filter({ hasText: 'account = "8161234567"' }).waitFor();
  await page.getByText("Line 8 decided").waitFor();
  await page.getByRole("button", { name: /The network asked/ }).click();
  await page.getByText("<osmp_txn_id>").first().waitFor();
  quiet(owner);
});

test("a rule goes through a red test, a replay and a publishing, and is rolled back", async () => {
  const { page } = owner;
  for (const [index, sum] of ["100.00", "4000.00", "9000.00"].entries()) {
    await gateway.terminal("demo", "terminal", { command: "pay", txn_id: `880000000000000${index}`, txn_date: txnDate(), account: `916123456${index}`, sum });
  }
  await go(page, "/m/demo/rules");
  const editor = page.getByRole("textbox", { name: "Rule script" });
  await editor.waitFor();
  const before = await page.evaluate(() => document.querySelector(".cm-content")?.cmTile?.view?.state?.doc.toString() ?? document.querySelector(".cm-content")?.cmView?.view.state.doc.toString());
  assert.match(before, /15000\.00 RUB/);
  const write = async (text) => {
    await editor.click();
    await page.keyboard.press("Control+a");
    // Pasted, as people bring texts: the browser's own insertion would style it, and the policy forbids that.
    await editor.evaluate((element, pasted) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", pasted);
      element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    }, text);
  };

  await write(before.replace("function rules.check", "functoin rules.check"));
  await page.getByText("It does not compile", { exact: true }).waitFor();

  await write(before.replace('money("15000.00 RUB")', 'money("5000.00 RUB")'));
  await page.getByText("1 test failed").or(page.getByText("2 tests failed")).waitFor();
  await button(page, "Publish…").click();
  await page.getByText("It cannot be published yet").waitFor();
  assert.ok(await page.getByRole("button", { name: "Publish now" }).last().isDisabled());
  await button(page, "Cancel").click();

  const changed = before.replaceAll("15000.00 RUB", "5000.00 RUB").replaceAll("15000.01 RUB", "5000.01 RUB");
  await write(changed);
  await page.getByText("6 tests passed").waitFor();

  await page.getByText("Replay", { exact: true }).click();
  await button(page, "Replay the draft").click();
  await page.getByText("1 change").waitFor();
  await page.getByRole("button", { name: "accept → reject" }).click();
  await page.getByText("9161234562").waitFor();

  await button(page, "Publish…").click();
  await page.getByText("Last replay of this draft").waitFor();
  await page.getByRole("textbox", { name: "Message" }).fill("At most 5000 roubles at once");
  await page.getByRole("button", { name: "Publish now" }).last().click();
  await page.getByText("r2 is published on all nodes").waitFor();
  const refused = await soon("r2 decides", WAIT_MS, async () => {
    const answer = await gateway.terminal("demo", "terminal", { command: "pay", txn_id: String(Date.now()), txn_date: txnDate(), account: "9161234567", sum: "9000.00" });
    return answer.includes("<result>242</result>");
  });
  assert.ok(refused);

  await page.getByText("At most 5000 roubles at once").waitFor();
  await page.getByRole("button", { name: "r1", exact: true }).click();
  await button(page, "Roll back to it").click();
  await page.getByRole("dialog").getByRole("button", { name: "Roll back to it" }).click();
  await page.getByText("r1 is back in service").waitFor();
  await soon("r1 decides again", WAIT_MS, async () => {
    const answer = await gateway.terminal("demo", "terminal", { command: "pay", txn_id: String(Date.now()), txn_date: txnDate(), account: "9161234567", sum: "9000.00" });
    return answer.includes("<result>0</result>");
  });
  quiet(owner);
});

test("a merchant is onboarded until its checklist is green", async () => {
  const { page } = owner;
  await go(page, "/merchants");
  await button(page, "New merchant").first().click();
  await page.getByRole("dialog").getByRole("textbox", { name: "Name", exact: true }).fill("Acme Telecom");
  await button(page, "Create").click();
  await page.waitForURL(/\/m\/acme-telecom\/setup/);
  await page.getByText("2 of 8 steps are done").first().waitFor();

  await page.getByRole("link", { name: "Add a connection" }).click();
  await button(page, "Add a connection").first().click();
  const sheet = page.getByRole("dialog");
  await sheet.getByRole("textbox", { name: "Network" }).click();
  await page.getByRole("option", { name: "QIWI terminals" }).click();
  const authentication = sheet.getByRole("textbox", { name: "Authentication" });
  await authentication.click();
  await page.getByRole("option", { name: /^none/ }).click();
  const subnets = sheet.getByRole("textbox", { name: "Source subnets" });
  await subnets.fill("127.0.0.0/8");
  await subnets.press("Enter");
  await button(page, "Create").click();
  await page.waitForURL(/connections\/terminal/);
  await page.getByText("/in/acme-telecom/terminal").first().waitFor();

  await go(page, "/m/acme-telecom/rules");
  await button(page, "Templates").click();
  await page.getByRole("dialog").getByRole("button", { name: "demo", exact: true }).click();
  await page.getByRole("dialog").getByText("ten-digit accounts").waitFor();
  await button(page, "Use this template").click();
  await page.getByText("6 tests passed").waitFor();
  await button(page, "Publish…").click();
  await page.getByRole("textbox", { name: "Message" }).fill("Our first rule");
  await page.getByRole("button", { name: "Publish now" }).last().click();
  await page.getByText("r1 is published on all nodes").waitFor();

  await go(page, "/m/acme-telecom/webhooks");
  await button(page, "Add an endpoint").first().click();
  await page.getByRole("dialog").getByRole("textbox", { name: "Address" }).fill(`${gateway.admin}/demo/webhook`);
  await button(page, "Create").click();
  await page.getByText("Shown this once").waitFor();
  await page.getByRole("dialog").getByText("Close", { exact: true }).click();

  // The gateway asks as a terminal, pays once, and hears the webhook come back.
  await go(page, "/m/acme-telecom/setup");
  await fieldIn(page, "An account that may be paid", "9161234567");
  await button(page, "Run the checks").click();
  const checks = page.getByRole("status", { name: "Try it" });
  for (const check of ["Tests of the rules", "A check by a terminal", "A pay by a terminal", "A webhook"]) {
    await checks.getByText(check, { exact: true }).waitFor();
  }
  await page.getByText("6 of 8 steps are done").first().waitFor();

  await go(page, "/m/acme-telecom/people");
  await button(page, "Invite").first().click();
  await page.getByRole("dialog").getByRole("textbox", { name: "E-mail" }).fill(SUPPORT.email);
  await page.getByRole("dialog").getByRole("textbox", { name: "Role" }).click();
  await page.getByRole("option", { name: /^support/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Invite", exact: true }).click();
  const link = await page.locator(".tg-once span").first().textContent();
  const { pathname } = new URL(link.trim());

  const support = await openPage(browser, gateway.admin);
  await support.page.goto(pathname);
  await support.page.getByText("To Acme Telecom, as support.").waitFor();
  await support.page.getByLabel("Your name").fill(SUPPORT.name);
  await support.page.getByLabel("Password", { exact: false }).first().fill(SUPPORT.password);
  await button(support.page, "Accept the invitation").click();
  await support.page.waitForURL(/\/m\/acme-telecom\/overview/);

  await go(support.page, "/settings");
  await button(support.page, "Set it up").click();
  const secret = await soon("the secret is shown", WAIT_MS, async () => (await support.page.locator(".tg-totp-secret").textContent())?.trim());
  const digits = code(secret);
  for (let index = 0; index < 6; index += 1) {
    await support.page.getByLabel(`Code of your second factor ${index + 1}`).fill(digits[index]);
  }
  await button(support.page, "Turn it on").click();
  await button(support.page, "I have kept them").click();

  await go(page, "/m/acme-telecom/setup");
  await page.getByText("Ready to go live").waitFor();
  quiet(owner);

  // Support looks up payments, and does not write rules, keys or people.
  const desk = support.page;
  await go(desk, "/m/acme-telecom/payments");
  await desk.getByRole("table", { name: "Payments" }).getByText("9161234567").first().waitFor();
  assert.equal(await desk.getByRole("link", { name: "API keys" }).count(), 0);
  assert.equal(await desk.getByRole("link", { name: "People" }).count(), 0);
  await go(desk, "/m/acme-telecom/rules");
  await desk.getByText("Your role may read the rules, not change them.").waitFor();
  assert.ok(await button(desk, "Templates").isDisabled());
  await desk.goto("/m/demo/payments");
  await desk.getByText("There is nothing at this address").or(desk.getByText("Your role does not allow this")).first().waitFor();
  quiet(support);
  await support.context.close();
});

test("a certificate is issued, its PKCS12 file is taken in again, and a wrong password is told", async () => {
  const { page } = owner;
  await go(page, "/m/demo/connections/terminal");
  await button(page, "Issue a certificate").click();
  await page.getByRole("dialog").getByRole("textbox", { name: "Name, for people" }).fill("Kiosks");
  await page.getByRole("dialog").getByRole("button", { name: "Issue a certificate" }).click();
  const password = (await page.locator(".tg-once span").first().textContent()).trim();
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download the .p12").click()]);
  const file = await download.path();
  await page.getByRole("dialog").getByText("Close", { exact: true }).click();
  await page.getByText("Kiosks").waitFor();

  await go(page, "/m/demo/connections/payin");
  const upload = page.locator('input[type="file"]');
  await upload.setInputFiles({ name: "identity.p12", mimeType: "application/x-pkcs12", buffer: await readFile(file) });
  await page.getByLabel("Password of the file").fill("not this one");
  await button(page, "Install").click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Password of the file").fill(password);
  await button(page, "Install").click();
  await button(page, "Replace").waitFor();
  await go(page, "/m/demo/certificates");
  await page.getByText("we show it to the network").waitFor();
  quiet(owner);
});

test("a webhook is sent again", async () => {
  const { page } = owner;
  await go(page, "/m/demo/webhooks");
  const first = page.getByRole("table", { name: "Deliveries" }).locator("tbody tr").first();
  await first.getByRole("button", { name: "Send again" }).click();
  await page.getByText("1 delivery on the way again").waitFor();
  await page.getByText("Attempt 2").waitFor();
  quiet(owner);
});

test("a list is walked by keys alone, there and back", async () => {
  const { page } = owner;
  await go(page, "/m/demo/payments");
  const rows = page.getByRole("table", { name: "Payments" }).locator("tbody tr");
  await rows.first().waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  await page.locator("tr[data-at]").waitFor();
  const account = await page.locator('tr[data-at] td[data-label="Account"]').textContent();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/payments\/pay_/);
  await page.getByText(account).first().waitFor();
  await page.keyboard.press("Escape");
  await page.waitForURL(/\/payments$/);
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), "Any number or account");
  await page.keyboard.type(account.trim());
  await page.waitForURL(/search=/);
  await soon("only that account is left", WAIT_MS, async () => {
    const accounts = await page.locator('td[data-label="Account"]').allTextContents();
    return accounts.length > 0 && accounts.every((text) => text === account);
  });
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.waitForURL(/\/m\/demo\/rules/);
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await page.keyboard.press("Escape");
  quiet(owner);
});

test("payments are taken away as a file, made in the background", async () => {
  const { page } = owner;
  await go(page, "/m/demo/payments?status=declined");
  await button(page, "Export").click();
  await button(page, "Make a CSV file").click();
  const files = page.getByRole("list", { name: "Files" });
  const [download] = await Promise.all([page.waitForEvent("download"), files.getByRole("button", { name: "Download" }).first().click()]);
  assert.match(download.suggestedFilename(), /^payments-demo-.*\.csv$/);
  const text = await readFile(await download.path(), "utf8");
  assert.match(text, /^\uFEFFid,created_at,status/);
  assert.match(text, /,declined,account_not_found,120\.00,RUB,,8161234567,/);
  await page.keyboard.press("Escape");
  quiet(owner);
});

test("a merchant is cloned, and its connections wait for their secrets", async () => {
  const { page } = owner;
  await go(page, "/m/demo/setup");
  await button(page, "Clone").click();
  const sheet = page.getByRole("dialog");
  await sheet.getByRole("textbox", { name: "Name", exact: true }).fill("Demo Two");
  await sheet.getByRole("button", { name: "Clone" }).click();
  await page.waitForURL(/\/m\/demo-two\/setup/);
  await go(page, "/m/demo-two/connections");
  await page.getByText("suspended").first().waitFor();
  assert.ok((await page.getByText("suspended").count()) >= 2);
  quiet(owner);
});

test("the lab's conformance run is reported, and taken away", async () => {
  const { page } = owner;
  await go(page, "/m/demo/lab");
  await fieldIn(page, "An account that may be paid", "9161234567");
  await button(page, "Run").click();
  await page.getByText("8 of 8 passed").waitFor();
  const [json] = await Promise.all([page.waitForEvent("download"), button(page, "JSON").click()]);
  const report = JSON.parse(await readFile(await json.path(), "utf8"));
  assert.equal(report.cases.length, 8);
  const [html] = await Promise.all([page.waitForEvent("download"), button(page, "HTML").click()]);
  assert.match(await readFile(await html.path(), "utf8"), /8 of 8 passed/);
  quiet(owner);
});

test("it speaks Russian, and remembers it", async () => {
  const { page } = owner;
  await go(page, "/settings");
  await page.getByText("Русский", { exact: true }).click();
  await page.getByRole("heading", { name: "Настройки" }).waitFor();
  await go(page, "/m/demo/payments");
  await page.getByRole("heading", { name: "Платежи" }).waitFor();
  await page.getByText("120,00 ₽").first().waitFor();
  await go(page, "/settings");
  await page.getByText("English", { exact: true }).click();
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  quiet(owner);
});
