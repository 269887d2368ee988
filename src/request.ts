/** A request to plan, checked once at the door: a line of --requests, the flags of `plan`, a page's query, POST /api/plan. */
import { z } from "zod";
import { AppError } from "./errors.ts";
import {
  ENGINES,
  type EngineId,
  KV_NAMES,
  type KvName,
  type PlanOptions,
  PROGRAMS,
  type TensorOverride,
} from "./math/options.ts";
import { didYouMean } from "./nearest.ts";
import { REQUEST_FIELDS } from "./request-fields.ts";

/** More than ten times what any model is trained for; with a few sequences more cells than any memory holds. */
export const MAX_CONTEXT = 2 ** 27;
/** What large servers are started with; each engine refuses what is too many for it. */
export const MAX_SEQUENCES = 4096;
const MAX_BATCH = 2 ** 20;
const MAX_LAYERS = 100_000;
const MAX_RESERVE = 2 ** 50;
const MAX_TEXT = 4096;

export interface RequestExtras {
  /** A model, or "mtp". */
  readonly draft: string | null;
  readonly projector: string | null;
  readonly adapters: readonly string[];
}

export interface PlanRequest {
  readonly model: string;
  readonly engine: EngineId;
  /** null: the newest that is known. */
  readonly engineVersion: string | null;
  readonly device: string;
  /** null: as the files have it. */
  readonly weights: string | null;
  readonly options: PlanOptions;
  /** Names of what is loaded beside the model, as MODEL is named. */
  readonly extras: RequestExtras;
  readonly promptTokens: number | null;
  readonly atContext: number | null;
  readonly askEngine: boolean;
}

const optional = <T extends z.ZodType>(schema: T) => schema.nullish();
const integer = (low: number, high: number) => {
  const error = `an integer from ${low} to ${high} is wanted`;
  return z.number({ error }).int({ error }).min(low, { error }).max(high, { error });
};
const oneOf = <const T extends readonly string[]>(names: T) =>
  z.enum(names, { error: `one of ${names.join(", ")} is wanted` });
const text = (what: string) =>
  z
    .string({ error: `${what} is wanted` })
    .min(1, { error: `${what} is wanted` })
    .max(MAX_TEXT, { error: `at most ${MAX_TEXT} letters are wanted` });
const flag = z.boolean({ error: "true or false is wanted" });

/** llama.cpp reads shares as 32-bit floats and divides by their sum: neither 0 nor infinity says a share. */
function hasFloatSum(shares: readonly number[]): boolean {
  const sum = shares.reduce((total, share) => Math.fround(total + Math.fround(share)), 0);
  return sum > 0 && Number.isFinite(sum);
}

/** Field by field as the contract has it; null is the same as left out. */
export const planRequestSchema = z.strictObject({
  model: text("a model's name or path"),
  engine: optional(oneOf(ENGINES)),
  engine_version: optional(text("a version")),
  device: optional(text("a device")),
  reserve_bytes: optional(integer(0, MAX_RESERVE)),
  context: optional(integer(1, MAX_CONTEXT)),
  sequences: optional(integer(1, MAX_SEQUENCES)),
  prompt_tokens: optional(integer(1, MAX_CONTEXT)),
  at_context: optional(integer(0, MAX_CONTEXT)),
  ubatch: optional(integer(1, MAX_BATCH)),
  batch: optional(integer(1, MAX_BATCH)),
  program: optional(oneOf(PROGRAMS)),
  weights: optional(text("a type such as Q4_K_M")),
  kv_type: optional(text("a type such as f16 or q8_0,f16")),
  flash_attention: optional(oneOf(["on", "off", "auto"])),
  kv_unified: optional(flag),
  swa_full: optional(flag),
  gpu_layers: optional(
    z.union([integer(0, MAX_LAYERS), z.literal("all"), z.literal("auto")], {
      error: `an integer from 0 to ${MAX_LAYERS}, all or auto is wanted`,
    }),
  ),
  cpu_moe_layers: optional(integer(0, MAX_LAYERS)),
  split_mode: optional(oneOf(["layer", "none", "row"])),
  tensor_split: optional(
    z
      .array(
        z.number({ error: "numbers of 0 or more are wanted" }).min(0, { error: "numbers of 0 or more are wanted" }),
        { error: "a list of numbers is wanted" },
      )
      .max(16, { error: "at most 16 numbers are wanted" })
      .refine((shares) => shares.some((share) => share > 0), { error: "at least one number above 0 is wanted" })
      .refine(hasFloatSum, { error: "numbers that a 32-bit float holds are wanted" }),
  ),
  override_tensor: optional(text("REGEX=BUFFER")),
  tensor_parallel: optional(integer(1, 1024)),
  pipeline_parallel: optional(integer(1, 1024)),
  memory_utilization: optional(
    z
      .number({ error: "a number from 0 to 1 is wanted" })
      .min(0, { error: "a number from 0 to 1 is wanted" })
      .max(1, { error: "a number from 0 to 1 is wanted" }),
  ),
  mla: optional(integer(0, 3)),
  attention_max_batch: optional(integer(0, MAX_BATCH)),
  draft: optional(text("a model")),
  mmproj: optional(text("a projector's file")),
  lora: optional(text("an adapter's file, or several between commas")),
  ask_engine: optional(flag),
});

type Fields = z.infer<typeof planRequestSchema>;
/** How a message calls a field: `"context"` in JSON, `--context` on the command line. */
export type FieldLabel = (field: string) => string;
const quoted: FieldLabel = (field) => `"${field}"`;

/** @throws {AppError} usage: what is wrong with which field */
export function parseRequest(value: unknown, label: FieldLabel = quoted): PlanRequest {
  const result = planRequestSchema.safeParse(value);
  if (!result.success) throw fieldError(result.error.issues[0], value, label);
  return toRequest(result.data, label);
}

function toRequest(fields: Fields, label: FieldLabel): PlanRequest {
  const [kvTypeK, kvTypeV] = kvTypes(fields.kv_type ?? null, label);
  return {
    model: fields.model,
    engine: fields.engine ?? "llama.cpp",
    engineVersion: fields.engine_version ?? null,
    device: fields.device ?? "auto",
    weights: fields.weights ?? null,
    options: {
      context: fields.context ?? null,
      sequences: fields.sequences ?? null,
      ubatch: fields.ubatch ?? null,
      batch: fields.batch ?? null,
      program: fields.program ?? null,
      kvTypeK,
      kvTypeV,
      flashAttention: fields.flash_attention ?? null,
      kvUnified: fields.kv_unified ?? null,
      swaFull: fields.swa_full ?? null,
      gpuLayers: fields.gpu_layers ?? null,
      cpuMoeLayers: fields.cpu_moe_layers ?? null,
      splitMode: fields.split_mode ?? null,
      tensorSplit: fields.tensor_split ?? null,
      overrideTensor: overrides(fields.override_tensor ?? null, label),
      reserveBytes: fields.reserve_bytes ?? null,
      tensorParallel: fields.tensor_parallel ?? null,
      pipelineParallel: fields.pipeline_parallel ?? null,
      memoryUtilization: fields.memory_utilization ?? null,
      mla: fields.mla ?? null,
      attentionMaxBatch: fields.attention_max_batch ?? null,
    },
    extras: {
      draft: fields.draft ?? null,
      projector: fields.mmproj ?? null,
      adapters: fields.lora?.split(",").filter((name) => name !== "") ?? [],
    },
    promptTokens: fields.prompt_tokens ?? null,
    atContext: fields.at_context ?? null,
    askEngine: fields.ask_engine ?? false,
  };
}

function kvTypes(asked: string | null, label: FieldLabel): readonly [KvName | null, KvName | null] {
  if (asked === null) return [null, null];
  const names = asked.split(",").map((name) => name.trim().toUpperCase());
  const types = names.map((name) => KV_NAMES.find((type) => type === name));
  const [k, v = k] = types;
  if (names.length > 2 || k === undefined || v === undefined || types.includes(undefined)) {
    throw new AppError(
      "usage",
      `Cannot plan with ${label("kv_type")} ${shown(asked)}: a cache type is wanted, or two as K,V`,
      {
        hint: `write one of ${KV_NAMES.map((type) => type.toLowerCase()).join(", ")}`,
      },
    );
  }
  return [k, v];
}

/** @source llama.cpp common/arg.cpp parse_tensor_buffer_overrides: items between commas, pattern and buffer around the first "=" */
function overrides(asked: string | null, label: FieldLabel): readonly TensorOverride[] | null {
  if (asked === null) return null;
  return asked.split(",").map((item) => {
    const at = item.indexOf("=");
    const pattern = item.slice(0, at);
    const buffer = item.slice(at + 1);
    if (at < 1 || buffer === "") {
      throw new AppError(
        "usage",
        `Cannot plan with ${label("override_tensor")} ${shown(item)}: REGEX=BUFFER is wanted`,
        {
          hint: "write something like exps=CPU",
        },
      );
    }
    if (!isRegExp(pattern)) {
      throw new AppError(
        "usage",
        `Cannot plan with ${label("override_tensor")} ${shown(item)}: ${shown(pattern)} is no regular expression`,
        { hint: "write something like exps=CPU" },
      );
    }
    return { pattern, buffer };
  });
}

function isRegExp(pattern: string): boolean {
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
}

interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

function fieldError(issue: Issue | undefined, value: unknown, label: FieldLabel): AppError {
  const [first] = issue?.path ?? [];
  if (issue === undefined || (first === undefined && issue.code !== "unrecognized_keys")) {
    return new AppError("usage", `Cannot read a request from ${shown(value)}: an object with "model" is wanted`, {
      hint: 'write {"model":"org/name"}',
    });
  }
  const [unknown] = issue.keys ?? [];
  if (unknown !== undefined) {
    return new AppError("usage", `Cannot use the field ${shown(unknown)} of a request: there is no such field`, {
      hint: didYouMean(unknown, ["model", ...REQUEST_FIELDS.map((f) => f.field)]) ?? "hwledger plan --help lists them",
    });
  }
  const field = String(first);
  const given =
    typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[field] : undefined;
  const state = given === undefined ? `without ${label(field)}` : `with ${label(field)} ${shown(given)}`;
  const hint =
    REQUEST_FIELDS.find((f) => f.field === field)?.help ??
    'a model is "org/name", "org/name:Q4_K_M", a .gguf file or a folder';
  return new AppError("usage", `Cannot plan ${state}: ${issue.message}`, { hint });
}

/** A value as it was given, cut where it is long. */
function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 60 ? `${json.slice(0, 57)}…` : json;
}
