/**
 * The plan's state as text: the request's field names with what stands in the form, as the address has it. Shared by
 * server and browser, so equal plans have equal links: fixed order, defaults left out, nothing known twice.
 */
import { REQUEST_FIELDS } from "../../request-fields.ts";

export type FormValues = Readonly<Record<string, string>>;

/** Fields of the page in the order of the address. `ask_engine` is an act of the page, not a setting. */
export const FORM_FIELDS: readonly string[] = [
  "model",
  ...REQUEST_FIELDS.map((field) => field.field).filter((field) => field !== "ask_engine"),
];

/** What leaves the plan as it is when it is left out. The default of `context` depends on the model. */
const DEFAULTS: FormValues = {
  engine: "llama.cpp",
  device: "auto",
  sequences: "1",
  ubatch: "512",
  batch: "2048",
  program: "llama-server",
  kv_type: "f16",
  flash_attention: "auto",
  kv_unified: "false",
  swa_full: "false",
  gpu_layers: "auto",
  cpu_moe_layers: "0",
  split_mode: "layer",
};

export function defaultOf(field: string): string {
  return DEFAULTS[field] ?? "";
}

/** What leaves the plan as it is with any engine. The other defaults are those of the engine that needs no naming. */
const OF_ANY_ENGINE: ReadonlySet<string> = new Set([
  "engine",
  "device",
  "flash_attention",
  "kv_unified",
  "swa_full",
  "gpu_layers",
  "cpu_moe_layers",
]);

function isDefault(form: FormValues, field: string, value: string): boolean {
  const unnamed = (form.engine ?? DEFAULTS.engine) === DEFAULTS.engine;
  return value === defaultOf(field) && (unnamed || OF_ANY_ENGINE.has(field));
}

/** The form of an address. A repeated name counts once, the last time; names that are no fields are left alone. */
export function formOf(query: URLSearchParams): FormValues {
  const values: Record<string, string> = {};
  for (const field of FORM_FIELDS) {
    const given = plainNumber(query.getAll(field).at(-1)?.trim() ?? "");
    if (given !== "") values[field] = given;
  }
  return values;
}

/** The address of a form, without "?". */
export function queryOf(form: FormValues): string {
  const query = new URLSearchParams();
  for (const field of FORM_FIELDS) {
    const value = form[field] ?? "";
    if (value !== "" && !isDefault(form, field, value)) query.set(field, value);
  }
  return query.toString().replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%2C", ",");
}

export function planHref(form: FormValues): string {
  const query = queryOf(form);
  return query === "" ? "/plan" : `/plan?${query}`;
}

/** The same form with other values; "" takes one out. */
export function withValues(form: FormValues, changes: FormValues): FormValues {
  return Object.fromEntries(Object.entries({ ...form, ...changes }).filter(([, value]) => value !== ""));
}

/**
 * A request's fields from a form's text, by each field's kind. What is no number or list stays text, so that the schema
 * says what is wrong with it in its own words.
 */
export function requestFields(form: FormValues): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  if (form.model !== undefined) fields.model = form.model;
  for (const { field, kind } of REQUEST_FIELDS) {
    const text = form[field];
    if (text === undefined || field === "ask_engine") continue;
    fields[field] = fieldValue(kind, text);
  }
  return fields;
}

function fieldValue(kind: (typeof REQUEST_FIELDS)[number]["kind"], text: string): unknown {
  switch (kind) {
    case "text":
      return text;
    case "integer":
    case "size":
    case "layers":
    case "number":
      return numberOf(text);
    case "flag":
      return text === "true" || text === "on" || text === "1" ? true : text === "false" || text === "0" ? false : text;
    case "list":
      return text.split(",").map(numberOf);
    default:
      return kind satisfies never;
  }
}

function numberOf(text: string): number | string {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

/** "131,072" and "131 072" are numbers to a person, "3,1" is a list. */
export function plainNumber(text: string): string {
  return /^\d{1,3}([, _\u00a0\u202f]\d{3})+$/.test(text) ? text.replace(/\D/g, "") : text;
}
