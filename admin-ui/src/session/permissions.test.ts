import { describe, expect, it } from "vitest";
import { may } from "./permissions";
import { safeReturn } from "./SignIn";
import type { Me } from "./session";

const me = (permissions: Record<string, string[]>): Me => ({
  id: "per_1",
  email: "ann@example.com",
  name: "Ann",
  operator_role: null,
  memberships: [],
  second_factor: true,
  must_set_second_factor: false,
  recovery_codes_left: 10,
  permissions,
});

describe("permissions", () => {
  it("of a merchant reach that merchant alone", () => {
    const ann = me({ acme: ["payments:read"] });
    expect(may(ann, "payments:read", "acme")).toBe(true);
    expect(may(ann, "payments:read", "other")).toBe(false);
    expect(may(ann, "payments:write", "acme")).toBe(false);
    expect(may(ann, "payments:read")).toBe(false);
  });
  it("of the installation reach everywhere", () => {
    expect(may(me({ "*": ["payments:read"] }), "payments:read", "acme")).toBe(true);
    expect(may(me({ "*": ["*"] }), "rules:publish", "acme")).toBe(true);
    expect(may(me({ "*": ["rules:*"] }), "rules:publish", "acme")).toBe(true);
    expect(may(me({ "*": ["rules:*"] }), "payments:read", "acme")).toBe(false);
  });
  it("of nobody allow nothing", () => {
    expect(may(me({}), "payments:read", "acme")).toBe(false);
  });
});

describe("where one goes after signing in", () => {
  it("is never another site", () => {
    expect(safeReturn("/m/acme/payments?search=1")).toBe("/m/acme/payments?search=1");
    expect(safeReturn("//evil.example")).toBe("/");
    expect(safeReturn("https://evil.example")).toBe("/");
    expect(safeReturn("/\\evil.example")).toBe("/");
    expect(safeReturn("/sign-in?to=/")).toBe("/");
    expect(safeReturn(undefined)).toBe("/");
  });
});
