import { describe, expect, it } from "vitest";
import { formatMoney, readAmount } from "./money";
import { asCurl, pretty, prettyXml, queryLines } from "./pretty";
import { formatBasisPoints, formatBytes } from "./size";
import { formatAgo, formatMicros, formatMoment, formatUtc, localToUtc, utcToLocal } from "./time";

const plain = (text: string) => text.replace(/[  ]/g, " ");

describe("amounts", () => {
  it("are written as people write them", () => {
    expect(plain(formatMoney({ amount: "1234567.50", currency: "RUB" }, "en"))).toBe("RUB 1,234,567.50");
    expect(plain(formatMoney({ amount: "1234567.50", currency: "RUB" }, "ru"))).toBe("1 234 567,50 ₽");
    expect(plain(formatMoney({ amount: "-5.05", currency: "USD" }, "ru"))).toBe("−5,05 $");
    expect(plain(formatMoney({ amount: "700", currency: "JPY" }, "en"))).toBe("JPY 700");
  });
  it("stay exact where a float would round them", () => {
    expect(plain(formatMoney({ amount: "90071992547409.93", currency: "RUB" }, "en"))).toBe(
      "RUB 90,071,992,547,409.93",
    );
  });
  it("are read from what people type", () => {
    expect(readAmount("1 234,5")).toBe("1234.50");
    expect(readAmount("0010")).toBe("10.00");
    expect(readAmount("10.123")).toBeUndefined();
    expect(readAmount("-1")).toBeUndefined();
    expect(readAmount("1e3")).toBeUndefined();
    expect(readAmount("500", 0)).toBe("500");
  });
});

describe("moments", () => {
  it("are told in UTC on hover", () => {
    expect(formatUtc("2026-11-28T02:23:23.061Z")).toBe("2026-11-28 02:23:23.061 UTC");
  });
  it("name the year when it is another one", () => {
    const now = new Date("2026-11-28T12:00:00Z");
    expect(formatMoment("2025-06-15T12:00:00Z", "en", now)).toContain("2025");
    expect(formatMoment("2026-06-15T12:00:00Z", "en", now)).not.toContain("2026");
    expect(formatMoment("no moment", "en")).toBe("no moment");
  });
  it("are told by how long ago they were", () => {
    const now = Date.parse("2026-11-28T12:00:00Z");
    expect(formatAgo("2026-11-28T11:57:00Z", "en", now)).toBe("3 minutes ago");
    expect(formatAgo("2026-11-30T12:00:00Z", "en", now)).toBe("in 2 days");
  });
  it("go through a field and back", () => {
    const local = utcToLocal("2026-11-28T02:23:00.000Z");
    expect(localToUtc(local)).toBe("2026-11-28T02:23:00.000Z");
    expect(localToUtc("")).toBeUndefined();
    expect(utcToLocal(undefined)).toBe("");
  });
  it("have units", () => {
    expect(formatMicros(286, "en")).toBe("286 µs");
    expect(formatMicros(1_640, "en")).toBe("1.6 ms");
    expect(formatMicros(2_500_000, "ru")).toBe("2,5 с");
  });
});

describe("sizes and shares", () => {
  it("have units", () => {
    expect(formatBytes(512, "en")).toBe("512 B");
    expect(formatBytes(1_536, "en")).toBe("1.5 KiB");
    expect(formatBasisPoints(525, "en")).toBe("5.25 %");
  });
});

describe("the wire", () => {
  it("lays XML out, a text beside its element", () => {
    const xml =
      "<?xml version='1.0'?>\n<response>\n<result>0</result><fields><field1 name='a'>x</field1></fields></response>";
    expect(prettyXml(xml).split("\n")).toEqual([
      "<?xml version='1.0'?>",
      "<response>",
      "  <result>0</result>",
      "  <fields>",
      "    <field1 name='a'>x</field1>",
      "  </fields>",
      "</response>",
    ]);
  });
  it("shows what it cannot read as it came", () => {
    expect(pretty("{broken").kind).toBe("text");
    expect(pretty('{"a":1}')).toEqual({ text: '{\n  "a": 1\n}', kind: "json" });
    expect(pretty("a=1&b=%D0%BF").text).toBe("a = 1\nb = п");
    expect(queryLines("/in/a/b?command=pay&sum=1.00")).toBe("command = pay\nsum = 1.00");
  });
  it("makes a command of a request, whatever quotes are in it", () => {
    const curl = asCurl(
      { method: "POST", url: "/x?a='1'", request_headers: { host: "h", accept: "*/*" }, request_body: "it's" },
      "http://gateway",
    );
    expect(curl).toBe(
      "curl -X POST 'http://gateway/x?a='\\''1'\\''' \\\n  -H 'accept: */*' \\\n  --data-raw 'it'\\''s'",
    );
  });
});
