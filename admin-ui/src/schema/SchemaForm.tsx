import { Button, JsonInput, NumberInput, PasswordInput, Select, Switch, TagsInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { texts, useTexts } from "../language/language";
import { words } from "../parts/words";
import { type Config, choicesOf, isNullable, kindOf, ordered, resolve, type Schema } from "./schema";
import "./schema.css";

const formWords = texts(
  {
    more: "More settings",
    fewer: "Fewer settings",
    kept: "Kept; type to replace it",
    example: (text: string) => `such as ${text}`,
    tags: "Press Enter after each",
    row: (n: number) => `Row ${n}`,
  },
  {
    more: "Другие настройки",
    fewer: "Меньше настроек",
    kept: "Хранится; новое заменит его",
    example: (text: string) => `например ${text}`,
    tags: "После каждого нажмите Enter",
    row: (n: number) => `Строка ${n}`,
  },
);

/** How the REST shows a secret that it keeps. */
export const MASKED = "********";

interface Props {
  schema: Schema;
  value: Config;
  onChange: (value: Config) => void;
  /** The field that the gateway complained about, and how. */
  wrong?: { field: string; text: string } | undefined;
  readOnly?: boolean;
}

/** A form drawn from a plugin's JSON Schema: a new plugin needs no code here. */
export function SchemaForm({ schema, value, onChange, wrong, readOnly = false }: Props) {
  const t = useTexts(formWords);
  const { first, rest } = ordered(schema);
  const [all, setAll] = useState(first.length === 0);
  const wrongName = wrong?.field.replace(/^config\.?/, "").split(/[.[]/)[0];
  const shown = all || (wrongName !== undefined && rest.includes(wrongName)) ? [...first, ...rest] : first;
  return (
    <div className="tg-schema">
      {shown.map((name) => (
        <Field
          key={name}
          name={name}
          schema={resolve(schema.properties?.[name] ?? {}, schema)}
          nullable={isNullable(schema.properties?.[name] ?? {})}
          root={schema}
          required={schema.required?.includes(name) ?? false}
          value={value[name]}
          onChange={(next) => onChange({ ...value, [name]: next })}
          error={wrongName === name ? wrong?.text : undefined}
          readOnly={readOnly}
        />
      ))}
      {first.length > 0 && rest.length > 0 && (
        <div className="tg-schema-wide">
          <Button variant="subtle" size="compact-sm" onClick={() => setAll(!all)} aria-expanded={all}>
            {all ? t.fewer : t.more}
          </Button>
        </div>
      )}
    </div>
  );
}

/** Descriptions are written for readers of the schema too, where backticks mark code. */
function said(description: string | undefined): string | undefined {
  return description?.replaceAll("\n", " ").replaceAll("`", "");
}

interface FieldProps {
  name: string;
  schema: Schema;
  nullable: boolean;
  root: Schema;
  required: boolean;
  value: unknown;
  onChange: (value: unknown) => void;
  error: string | undefined;
  readOnly: boolean;
}

function Field({ name, schema, nullable, root, required, value, onChange, error, readOnly }: FieldProps) {
  const t = useTexts(formWords);
  const w = useTexts(words);
  const label = schema.title ?? name;
  const base = {
    label,
    description: said(schema.description),
    // What it means stands under the field, so that fields beside each other stand in line.
    inputWrapperOrder: ["label", "input", "error", "description"] as ("label" | "input" | "error" | "description")[],
    required,
    error,
    readOnly,
  };
  const example = schema.examples?.[0];
  const shown = value ?? schema.default;
  const choices = choicesOf(schema) ?? [];
  const placeholder =
    typeof example === "string" || typeof example === "number" ? t.example(String(example)) : undefined;
  switch (kindOf(schema)) {
    case "flag":
      return (
        <Switch
          {...{ label, description: base.description, error }}
          disabled={readOnly}
          checked={shown === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
          className="tg-schema-switch"
        />
      );
    case "number":
      return (
        <NumberInput
          {...base}
          placeholder={placeholder}
          allowDecimal={false}
          min={schema.minimum}
          max={schema.maximum}
          value={typeof shown === "number" ? shown : ""}
          onChange={(next) => onChange(next === "" ? null : Number(next))}
        />
      );
    case "choice":
      return (
        <Select
          {...base}
          allowDeselect={nullable}
          data={choices.map(({ value, label }) => ({ value, label }))}
          renderOption={({ option }) => {
            const meaning = said(choices.find(({ value }) => value === option.value)?.description);
            return (
              <span>
                {option.label}
                {meaning && <span className="tg-schema-meaning">{meaning}</span>}
              </span>
            );
          }}
          value={typeof shown === "string" ? shown : null}
          onChange={(next) => onChange(next)}
        />
      );
    case "secret":
      return (
        <PasswordInput
          {...base}
          autoComplete="off"
          placeholder={value === MASKED ? t.kept : placeholder}
          value={value === MASKED || typeof value !== "string" ? "" : value}
          required={required && value !== MASKED}
          onChange={(event) =>
            onChange(event.currentTarget.value === "" ? (value === MASKED ? MASKED : null) : event.currentTarget.value)
          }
        />
      );
    case "text":
      return (
        <TextInput
          {...base}
          placeholder={placeholder}
          value={typeof shown === "string" ? shown : ""}
          onChange={(event) =>
            onChange(event.currentTarget.value === "" && nullable ? null : event.currentTarget.value)
          }
        />
      );
    case "texts":
      return (
        <TagsInput
          {...base}
          placeholder={Array.isArray(shown) && shown.length > 0 ? "" : t.tags}
          clearable={!readOnly}
          clearButtonProps={{ "aria-label": w.clear }}
          value={Array.isArray(shown) ? shown.map(String) : []}
          onChange={(next) => onChange(next.length === 0 && nullable ? null : next)}
        />
      );
    case "objects":
      return (
        <Objects
          label={label}
          description={base.description}
          schema={resolve(schema.items ?? {}, root)}
          root={root}
          value={Array.isArray(value) ? (value as Config[]) : []}
          onChange={(next) => onChange(next.length === 0 && nullable ? null : next)}
          readOnly={readOnly}
        />
      );
    case "json":
      return <Json base={base} names={Object.keys(schema.properties ?? {})} value={shown} onChange={onChange} />;
  }
}

interface ObjectsProps {
  label: string;
  description: string | undefined;
  schema: Schema;
  root: Schema;
  value: Config[];
  onChange: (value: Config[]) => void;
  readOnly: boolean;
}

/** A list of small objects, a row each. */
function Objects({ label, description, schema, root, value, onChange, readOnly }: ObjectsProps) {
  const t = useTexts(formWords);
  const w = useTexts(words);
  return (
    <fieldset className="tg-schema-wide tg-schema-rows">
      <legend>{label}</legend>
      {description && <p className="tg-quiet tg-small">{description}</p>}
      {value.map((row, index) => (
        <fieldset key={index} className="tg-schema-row" aria-label={t.row(index + 1)}>
          {Object.entries(schema.properties ?? {}).map(([name, field]) => (
            <Field
              key={name}
              name={name}
              schema={{ ...resolve(field, root), description: "" }}
              nullable={isNullable(field)}
              root={root}
              required={schema.required?.includes(name) ?? false}
              value={row[name]}
              onChange={(next) => onChange(value.map((one, at) => (at === index ? { ...one, [name]: next } : one)))}
              error={undefined}
              readOnly={readOnly}
            />
          ))}
          <Button
            size="xs"
            variant="subtle"
            color="gray"
            disabled={readOnly}
            onClick={() => onChange(value.filter((_, at) => at !== index))}
          >
            {w.remove}
          </Button>
        </fieldset>
      ))}
      <Button size="xs" variant="default" disabled={readOnly} onClick={() => onChange([...value, {}])}>
        {w.add}
      </Button>
    </fieldset>
  );
}

function Json({
  base,
  names,
  value,
  onChange,
}: {
  base: {
    label: string;
    description: string | undefined;
    required: boolean;
    error: string | undefined;
    readOnly: boolean;
  };
  /** Of its members, so that an empty field says what it wants. */
  names: string[];
  value: unknown;
  onChange: (value: unknown) => void;
}) {
  const [text, setText] = useState(() => (value === undefined || value === null ? "" : JSON.stringify(value, null, 2)));
  const change = (next: string) => {
    setText(next);
    try {
      onChange(next.trim() === "" ? null : JSON.parse(next));
    } catch {
      // The field marks what is not JSON yet.
    }
  };
  return (
    <JsonInput
      {...base}
      className="tg-schema-wide"
      autosize
      minRows={3}
      placeholder={names.length > 0 ? `{ ${names.map((name) => `"${name}": …`).join(", ")} }` : "{ }"}
      validationError="JSON"
      formatOnBlur
      value={text}
      onChange={change}
    />
  );
}
