import { describe, expect, it } from "vitest";
import { merged, parseSearch, stringifySearch } from "./filters";
import { countNewer } from "./list";

describe("filters in the address", () => {
  it("keep an account of digits a text", () => {
    expect(parseSearch("?search=9123456789012345678901&status=declined")).toEqual({
      search: "9123456789012345678901",
      status: "declined",
    });
  });
  it("go there and back", () => {
    const search = { search: "a&b=c", from: "2026-11-28T00:00:00.000Z" };
    expect(parseSearch(stringifySearch(search))).toEqual(search);
    expect(stringifySearch({})).toBe("");
  });
  it("leave when they are emptied", () => {
    expect(merged({ status: "declined", search: "1" }, { status: "" })).toEqual({ search: "1" });
    expect(merged({}, { connection: "terminal" })).toEqual({ connection: "terminal" });
  });
});

describe("what is newer than a list", () => {
  const id = (row: string) => row;
  it("is counted up to the first row that is known", () => {
    expect(countNewer("c", ["e", "d", "c"], id)).toBe(2);
    expect(countNewer("e", ["e", "d"], id)).toBe(0);
  });
  it("is more than a page when none of the page is known", () => {
    expect(countNewer("a", ["e", "d"], id)).toBe(-1);
  });
  it("is everything when there was nothing", () => {
    expect(countNewer(undefined, ["e"], id)).toBe(1);
    expect(countNewer("a", undefined, id)).toBe(0);
  });
});
