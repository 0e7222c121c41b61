import { describe, expect, it } from "vitest";
import type { DecisionRecord } from "../api/shapes";
import { placeOf } from "../frame/Search";
import { kindOf, missing, ordered, resolve, type Schema, trimmed } from "../schema/schema";
import { addressOf, isTest } from "./connections/address";
import { slugOf } from "./merchants/slug";
import { change, percent } from "./overview/figures";
import { answerText, decidingLine, marginOf, questionText } from "./payments/why";
import { hostApi, typeBefore } from "./rules/hostApi";
import { seedOf, withSeed } from "./rules/seed";
import { readComplaint, testNames } from "./rules/tests";
import { browserName } from "./settings/browser";

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

describe("figures", () => {
  it("are told as people read them", () => {
    expect(percent(987, "en")).toBe("98.7 %");
    expect(percent(null, "en")).toBe("—");
  });
  it("compare with a week before", () => {
    expect(change(150, 100)).toBe(50);
    expect(change(50, 100)).toBe(-50);
    expect(change(5, 0)).toBeUndefined();
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
  it("know a network that is played", () => {
    expect(isTest({ base_url: "http://127.0.0.1:8090/partner/" })).toBe(true);
    expect(isTest({ api_url: "https://192.168.1.2/" })).toBe(true);
    expect(isTest({ base_url: "https://api.example/" })).toBe(false);
    expect(isTest({})).toBe(false);
  });
  it("lead to what was found", () => {
    const hit = { id: "x_1", merchant: "acme" };
    expect(placeOf("decision", hit)).toBe("/m/acme/decisions/x_1");
    expect(placeOf("event", { ...hit, payment_id: "pay_1" })).toBe("/m/acme/payments/pay_1");
    expect(placeOf("event", hit)).toBe("/m/acme/webhooks");
  });
});
