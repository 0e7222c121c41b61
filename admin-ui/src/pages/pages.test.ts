import { describe, expect, it } from "vitest";
import type { DecisionRecord, PaymentObject } from "../api/shapes";
import { kindOf, missing, ordered, resolve, type Schema, trimmed } from "../schema/schema";
import { addressOf } from "./connections/address";
import { stepsOf } from "./merchants/checklist";
import { slugOf } from "./merchants/slug";
import { bucketsOf, figuresOf, quantile, sumMoney } from "./overview/figures";
import { csvField, paymentsAsCsv } from "./payments/csv";
import { answerText, decidingLine, marginOf, questionText } from "./payments/why";
import { hostApi, typeBefore } from "./rules/hostApi";
import { seedOf, withSeed } from "./rules/seed";
import { readComplaint, testNames } from "./rules/tests";
import { browserName } from "./settings/browser";

const payment = (over: Partial<PaymentObject>): PaymentObject => ({
  id: "pay_1",
  connection_id: "con_1",
  channel: "terminal",
  network_id: "1",
  number: "1000",
  account: "9",
  amount: { amount: "10.10", currency: "RUB" },
  fee: null,
  service: null,
  status: "succeeded",
  reason: null,
  booked_at: null,
  booked_text: null,
  booking_suspect: false,
  extras: {},
  received_at: "2026-11-28T00:00:00Z",
  created_at: "2026-11-28T00:00:00Z",
  ...over,
});

describe("why", () => {
  const record = {
    input: { handler: "check", request: { account: "840", amount: { amount: "5.00", currency: "RUB" } } },
    context: { now: "", seed: 0 },
    decision: {
      outcome: "reject",
      steps: 1,
      duration_us: 1,
      own_time_us: 1,
      memory: 1,
      log: [],
      calls: [
        {
          question: { ask: "list_get", list: "contracts", key: "840" },
          answer: { is: "list", present: false },
          duration_us: 3,
          line: 2,
        },
      ],
    },
  } as unknown as DecisionRecord;
  const lines = [
    { line: 1, text: "local account = request.account" },
    { line: 2, text: '  if not ctx.list("contracts"):has(request.account) then' },
    { line: 3, text: '    return reject("account_not_found")' },
    { line: 9, text: "return rules" },
  ];
  it("puts what was read and answered at the margin, once", () => {
    const margin = marginOf(lines, record);
    expect(margin.get(1)).toEqual(['account = "840"']);
    expect(margin.get(2)).toEqual(['list("contracts"):get("840") → nil']);
    expect(margin.get(3)).toBeUndefined();
  });
  it("finds the line that answered", () => {
    expect(decidingLine(lines, record)).toBe(3);
    expect(decidingLine([{ line: 9, text: "return rules" }], record)).toBeUndefined();
  });
  it("tells of velocities with their sums", () => {
    const call = {
      question: { ask: "velocity", key: "9", windows: ["1h"] },
      answer: { is: "velocity", totals: [{ count: 4, sums: [{ amount: "40.00", currency: "RUB" }] }] },
      duration_us: 1,
      line: 1,
    };
    expect(questionText(call)).toBe('velocity("9", "1h")');
    expect(answerText(call)).toBe("count = 4, sum = 40.00 RUB");
  });
});

describe("CSV", () => {
  it("lets no field be a formula", () => {
    expect(csvField("=1+1")).toBe("'=1+1");
    expect(csvField('a"b,c')).toBe('"a""b,c"');
  });
  it("reads page after page", async () => {
    const pages = [
      { data: [payment({ id: "pay_2" })], next: "x" },
      { data: [payment({ id: "pay_1" })], next: null },
    ];
    const told: number[] = [];
    const blob = await paymentsAsCsv(
      (cursor) => Promise.resolve(cursor ? pages[1]! : pages[0]!),
      () => "terminal",
      (rows) => told.push(rows),
    );
    const rows = (await blob.text()).trim().split("\r\n");
    expect(rows).toHaveLength(3);
    expect(rows[1]).toContain("pay_2");
    expect(told).toEqual([1, 2]);
  });
});

describe("figures", () => {
  it("add amounts exactly, by currency", () => {
    const amounts = ["0.10", "0.20", "90071992547409.93"].map((amount) => ({ amount, currency: "RUB" }));
    expect(sumMoney([...amounts, { amount: "7", currency: "JPY" }])).toEqual([
      { amount: "90071992547410.23", currency: "RUB" },
      { amount: "7", currency: "JPY" },
    ]);
  });
  it("count rates of what came to an end", () => {
    const figures = figuresOf([payment({}), payment({ status: "declined" }), payment({ status: "in_doubt" })]);
    expect(figures).toMatchObject({ count: 3, succeeded: 1, rate: 0.5 });
    expect(figuresOf([]).rate).toBeUndefined();
  });
  it("fall into their buckets", () => {
    const from = Date.parse("2026-11-28T00:00:00Z");
    const { counts } = bucketsOf(
      [payment({}), payment({ created_at: "2026-11-28T00:59:59Z", status: "failed" })],
      from,
      from + 3_600_000,
      1_800_000,
    );
    expect(counts.succeeded).toEqual([1, 0]);
    expect(counts.declined).toEqual([0, 1]);
  });
  it("have quantiles", () => {
    expect(quantile([5, 1, 3], 0.5)).toBe(3);
    expect(quantile([], 0.5)).toBeUndefined();
  });
});

describe("forms of plugins", () => {
  const schema: Schema = {
    properties: {
      key: { type: "string", writeOnly: true },
      variant: { oneOf: [{ const: "A", description: "old" }, { const: "BC" }], default: "BC" },
      max: { type: ["string", "null"], default: null },
      names: { type: "array", items: { type: "string" }, default: ["RUB"] },
      inner: { anyOf: [{ $ref: "#/$defs/Inner" }, { type: "null" }] },
    },
    required: ["key"],
    $defs: { Inner: { type: "object", properties: {} } },
  };
  it("know their fields", () => {
    const kinds = Object.fromEntries(
      Object.entries(schema.properties ?? {}).map(([name, field]) => [name, kindOf(resolve(field, schema))]),
    );
    expect(kinds).toEqual({ key: "secret", variant: "choice", max: "text", names: "texts", inner: "json" });
    expect(ordered(schema)).toEqual({ first: ["key"], rest: ["variant", "max", "names", "inner"] });
  });
  it("send what differs from the plugin's own, and no more", () => {
    expect(trimmed({ key: "********", variant: "BC", max: "", names: ["RUB", "USD"] }, schema)).toEqual({
      key: "********",
      names: ["RUB", "USD"],
    });
    expect(missing({}, schema)).toEqual(["key"]);
  });
});

describe("rules", () => {
  it("have their tests by name and line", () => {
    expect(testNames("local rules = {}\ntest(\"a contract\", {\n})\n  test('b', {})")).toEqual([
      { name: "a contract", line: 2 },
      { name: "b", line: 4 },
    ]);
  });
  it("have complaints with a line", () => {
    expect(readComplaint("rules draft:4: Expected 'end'")).toEqual({ line: 4, text: "Expected 'end'" });
    expect(readComplaint("too large")).toEqual({ line: 1, text: "too large" });
  });
  it("are completed from the host's own description", () => {
    expect(hostApi.functions.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["accept", "reject", "money", "test"]),
    );
    expect(hostApi.types.get("Context")?.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["list", "velocity", "http", "now"]),
    );
    expect(hostApi.reasons).toContain("account_not_found");
    expect(hostApi.reasons).toHaveLength(10);
  });
  it("keep a seed to its last digit", () => {
    const seed = seedOf('{"context":{"now":"","seed":9679975021998390123}}');
    expect(seed).toBe("9679975021998390123");
    expect(withSeed({ source: "" }, seed)).toBe('{"source":"","seed":9679975021998390123}');
    expect(withSeed({ source: "" }, undefined)).toBe('{"source":""}');
  });
  it("know what stands before a dot", () => {
    expect(typeBefore('  if ctx.list("a"):')).toBe("List");
    expect(typeBefore("ctx.")).toBe("Context");
    expect(typeBefore("request.amount.")).toBe("Money");
    expect(typeBefore("something.")).toBeUndefined();
  });
});

describe("a checklist", () => {
  const connection = { status: "active", plugin: "terminal", config: {}, identity: null } as never;
  it("is green when everything is there", () => {
    const steps = stepsOf({ connections: [connection], published: true, payments: 1, delivered: 1, people: 1, now: 0 });
    expect(steps.every(({ done }) => done)).toBe(true);
    expect(steps.map(({ key }) => key)).toEqual(["connection", "rules", "webhook", "payment", "people"]);
  });
  it("asks for a certificate where a network wants one", () => {
    const api = { status: "active", plugin: "qiwi-pay", config: { api: true }, identity: null } as never;
    const steps = stepsOf({
      connections: [api],
      published: false,
      payments: 0,
      delivered: 0,
      people: undefined,
      now: 0,
    });
    expect(steps.filter(({ done }) => done).map(({ key }) => key)).toEqual(["connection"]);
    expect(steps.map(({ key }) => key)).toContain("certificate");
  });
});

describe("small things", () => {
  it("make names for addresses", () => {
    expect(slugOf("Акме Телеком")).toBe("akme-telekom");
    expect(slugOf("  Café & Co. ")).toBe("cafe-co");
  });
  it("name browsers", () => {
    expect(
      browserName("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36"),
    ).toBe("Chrome, Linux");
    expect(browserName("")).toBe("—");
  });
  it("find where a network is", () => {
    expect(addressOf({ base_url: "https://api.example/" })).toBe("https://api.example/");
    expect(addressOf({})).toBe("https://");
  });
});
