/**
 * A form's fields as the planner takes them, in the browser: what request.ts says with a schema, without the schema, for
 * the fields the page moves by itself. tests/web/live-options.test.ts holds the two to each other.
 */
import { KV_NAMES, type KvName, type PlanOptions, PROGRAMS } from "../../math/options.ts";
import { type FormValues, plainNumber } from "./fields.ts";

export type LiveOptions =
  | { readonly status: "ok"; readonly options: PlanOptions; readonly weights: string | null }
  | { readonly status: "wrong"; readonly field: string; readonly message: string };

/** Fields that only the server reads: a change of one is a load of the page. */
export const LOADED_FIELDS: ReadonlySet<string> = new Set([
  "model",
  "engine",
  "engine_version",
  "device",
  "override_tensor",
]);

interface Range {
  readonly field: string;
  readonly low: number;
  readonly high: number;
}

const CONTEXT: Range = { field: "context", low: 1, high: 2 ** 27 };
const SEQUENCES: Range = { field: "sequences", low: 1, high: 4096 };
const UBATCH: Range = { field: "ubatch", low: 1, high: 2 ** 20 };
const BATCH: Range = { field: "batch", low: 1, high: 2 ** 20 };
const CPU_MOE: Range = { field: "cpu_moe_layers", low: 0, high: 100_000 };
const LATENT_MODE: Range = { field: "mla", low: 0, high: 3 };
const ATTENTION_BATCH: Range = { field: "attention_max_batch", low: 0, high: 2 ** 20 };
const TENSOR_PARALLEL: Range = { field: "tensor_parallel", low: 1, high: 1024 };
const PIPELINE_PARALLEL: Range = { field: "pipeline_parallel", low: 1, high: 1024 };
const GPU_LAYERS: Range = { field: "gpu_layers", low: 0, high: 100_000 };

class WrongField {
  readonly field: string;
  readonly message: string;
  constructor(field: string, message: string) {
    this.field = field;
    this.message = message;
  }
}

/** @param loaded what the server made of the fields that it alone reads */
export function liveOptions(
  form: FormValues,
  loaded: Pick<PlanOptions, "overrideTensor" | "reserveBytes">,
): LiveOptions {
  try {
    const [kvTypeK, kvTypeV] = kvTypes(form);
    const gpuLayers = form.gpu_layers ?? null;
    return {
      status: "ok",
      weights: form.weights ?? null,
      options: {
        context: integer(form, CONTEXT),
        sequences: integer(form, SEQUENCES),
        ubatch: integer(form, UBATCH),
        batch: integer(form, BATCH),
        program: oneOf(form, "program", PROGRAMS),
        kvTypeK,
        kvTypeV,
        flashAttention: oneOf(form, "flash_attention", ["on", "off", "auto"] as const),
        kvUnified: flag(form, "kv_unified"),
        swaFull: flag(form, "swa_full"),
        gpuLayers: gpuLayers === "all" || gpuLayers === "auto" ? gpuLayers : integer(form, GPU_LAYERS, ", all or auto"),
        cpuMoeLayers: integer(form, CPU_MOE),
        splitMode: oneOf(form, "split_mode", ["layer", "none", "row"] as const),
        tensorSplit: shares(form),
        overrideTensor: loaded.overrideTensor,
        reserveBytes: loaded.reserveBytes,
        tensorParallel: integer(form, TENSOR_PARALLEL),
        pipelineParallel: integer(form, PIPELINE_PARALLEL),
        memoryUtilization: share(form, "memory_utilization"),
        mla: integer(form, LATENT_MODE),
        attentionMaxBatch: integer(form, ATTENTION_BATCH),
      },
    };
  } catch (error) {
    if (error instanceof WrongField) return { status: "wrong", field: error.field, message: error.message };
    throw error;
  }
}

function integer(form: FormValues, { field, low, high }: Range, or = ""): number | null {
  const text = form[field];
  if (text === undefined) return null;
  const plain = plainNumber(text);
  const value = Number(plain);
  if (/^-?\d+$/.test(plain) && value >= low && value <= high) return value;
  throw new WrongField(field, `An integer from ${low} to ${high}${or} is wanted.`);
}

function oneOf<const T extends string>(form: FormValues, field: string, names: readonly T[]): T | null {
  const text = form[field];
  if (text === undefined) return null;
  const found = names.find((name) => name === text);
  if (found !== undefined) return found;
  throw new WrongField(field, `One of ${names.join(", ")} is wanted.`);
}

function flag(form: FormValues, field: string): boolean | null {
  const text = form[field];
  if (text === undefined) return null;
  if (text === "true" || text === "on" || text === "1") return true;
  if (text === "false" || text === "0") return false;
  throw new WrongField(field, "True or false is wanted.");
}

function kvTypes(form: FormValues): readonly [KvName | null, KvName | null] {
  const text = form.kv_type;
  if (text === undefined) return [null, null];
  const types = text.split(",").map((name) => KV_NAMES.find((type) => type === name.trim().toUpperCase()));
  const [k, v = k] = types;
  if (types.length <= 2 && k !== undefined && v !== undefined && !types.includes(undefined)) return [k, v];
  throw new WrongField("kv_type", "A cache type is wanted, or two as K,V.");
}

function share(form: FormValues, field: string): number | null {
  const text = form[field];
  if (text === undefined) return null;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= 1) return value;
  throw new WrongField(field, "A number from 0 to 1 is wanted.");
}

function shares(form: FormValues): readonly number[] | null {
  const text = form.tensor_split;
  if (text === undefined) return null;
  const values = text.split(",").map((word) => (/^\d+(\.\d+)?$/.test(word) ? Number(word) : Number.NaN));
  if (values.length <= 16 && values.every((value) => value >= 0) && values.some((value) => value > 0)) return values;
  throw new WrongField("tensor_split", "Numbers of 0 or more are wanted, at least one above 0.");
}
