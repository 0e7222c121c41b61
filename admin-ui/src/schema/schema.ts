/** The JSON Schema that schemars makes of a plugin's config: the part of it that plugins use. */
export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  format?: string;
  writeOnly?: boolean;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  const?: unknown;
  enum?: unknown[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  $ref?: string;
  $defs?: Record<string, Schema>;
}

export type FieldKind = "text" | "secret" | "number" | "flag" | "choice" | "texts" | "objects" | "json";

/** Follows `$ref` and unwraps "this or null". */
export function resolve(schema: Schema, root: Schema): Schema {
  if (schema.$ref) {
    const { $ref, ...own } = schema;
    const name = $ref.replace("#/$defs/", "");
    return { ...resolve(root.$defs?.[name] ?? {}, root), ...own };
  }
  const real = schema.anyOf?.filter((one) => one.type !== "null");
  if (real?.length === 1 && real[0]) {
    const { anyOf: _, ...own } = schema;
    return { ...resolve(real[0], root), ...own };
  }
  return schema;
}

export function isNullable(schema: Schema): boolean {
  return (
    (Array.isArray(schema.type) && schema.type.includes("null")) || !!schema.anyOf?.some((one) => one.type === "null")
  );
}

export function kindOf(schema: Schema): FieldKind {
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== "null") : schema.type;
  if (choicesOf(schema)) return "choice";
  if (type === "boolean") return "flag";
  if (type === "integer" || type === "number") return "number";
  if (type === "string") return schema.writeOnly || schema.format === "password" ? "secret" : "text";
  if (type === "array" && schema.items) {
    if (schema.items.properties) return "objects";
    if (kindOf(schema.items) === "text") return "texts";
  }
  return "json";
}

export function choicesOf(schema: Schema): { value: string; label: string; description?: string }[] | undefined {
  const consts = schema.oneOf?.filter((one) => typeof one.const === "string");
  if (consts?.length && consts.length === schema.oneOf?.length) {
    return consts.map((one) => ({
      value: String(one.const),
      label: one.title ?? readable(String(one.const)),
      ...(one.description ? { description: one.description } : {}),
    }));
  }
  if (schema.enum?.every((one) => typeof one === "string"))
    return schema.enum.map((one) => ({ value: String(one), label: readable(String(one)) }));
  return undefined;
}

/** A code's name as people read it: `format_only` is "format only". */
function readable(code: string): string {
  return code.replaceAll("_", " ");
}

export type Config = Record<string, unknown>;

/** What is as the plugin would have it anyway need not be sent, and nothing empty is. */
export function trimmed(config: Config, schema: Schema): Config {
  const required = schema.required ?? [];
  return Object.fromEntries(
    Object.entries(config).filter(([name, value]) => {
      if (value === undefined || value === null || value === "") return false;
      const fallback = schema.properties?.[name]?.default;
      return required.includes(name) || JSON.stringify(value) !== JSON.stringify(fallback);
    }),
  );
}

/** Names of required fields that are empty. */
export function missing(config: Config, schema: Schema): string[] {
  return (schema.required ?? []).filter(
    (name) => config[name] === undefined || config[name] === null || config[name] === "",
  );
}

/** Fields that must be filled in come first; the others may stay folded. */
export function ordered(schema: Schema): { first: string[]; rest: string[] } {
  const names = Object.keys(schema.properties ?? {});
  const required = schema.required ?? [];
  const first = names.filter((name) => required.includes(name));
  return { first, rest: names.filter((name) => !first.includes(name)) };
}
