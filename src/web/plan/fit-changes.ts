/** What would make a plan fit: up to three changes, each alone enough, each tried with the same arithmetic. */
import { formatBytes, formatInteger } from "../../math/format.ts";
import { planModel } from "../../math/plan.ts";
import type { PlanInput } from "../../math/plan-input.ts";
import type { PlanResult } from "../../math/result.ts";
import type { FormValues } from "./fields.ts";
import { offeredWeights } from "./weights-offer.ts";

export interface FitChange {
  readonly name: string;
  /** Fields of the form to set. */
  readonly values: FormValues;
  /** Total bytes saved; negative when the change takes more in all (layers that move to system memory). */
  readonly savedBytes: number;
  readonly cost: string;
}

const MOST = 3;
const KV_STEPS = ["q8_0", "q4_0"] as const;

export function changesThatFit(input: PlanInput, result: PlanResult): readonly FitChange[] {
  if (result.status !== "does_not_fit") return [];
  const total = result.memory.total_bytes ?? 0;
  const changes: FitChange[] = [];
  const offer = (name: string, cost: string, values: FormValues, changed: Partial<PlanInput>): boolean => {
    const planned = planModel({ ...input, ...changed });
    if (planned.status !== "planned" || planned.plan.spare.some((left) => left !== null && left < 0)) return false;
    let needs = 0;
    for (const bytes of planned.plan.total) needs += bytes;
    changes.push({ name, cost, values, savedBytes: total - needs });
    return true;
  };

  const { max_context: longest, max_sequences: most } = result.limits;
  if (longest !== null) {
    offer(
      `Context ${formatInteger(longest)}`,
      "shorter conversations",
      { context: String(longest) },
      {
        options: { ...input.options, context: longest },
      },
    );
  }
  for (const type of KV_STEPS) {
    const kv = type === "q8_0" ? ("Q8_0" as const) : ("Q4_0" as const);
    const cost = type === "q8_0" ? "the cache is rounded to 8 bits" : "the cache is rounded to 4 bits";
    if (offer(`KV cache ${type}`, cost, { kv_type: type }, { options: { ...input.options, kvTypeK: kv, kvTypeV: kv } }))
      break;
  }
  const lighter = [...offeredWeights(input)]
    .sort((a, b) => b.bytes - a.bytes)
    .filter((choice) => choice.bytes < (result.memory.weights_bytes ?? 0));
  for (const choice of changes.length < MOST ? lighter : []) {
    if (
      offer(
        `Weights ${choice.name}`,
        "more rounding of the weights",
        { weights: choice.name },
        { weights: choice.name },
      )
    )
      break;
  }
  if (changes.length < MOST && most !== null && most < Number(result.options.sequences)) {
    offer(
      `${most} ${most === 1 ? "sequence" : "sequences"} at once`,
      "others wait",
      { sequences: String(most) },
      {
        options: { ...input.options, sequences: most },
      },
    );
  }
  const layers = result.limits.gpu_layers;
  if (changes.length < MOST && layers !== null && layers < Number(result.options.gpu_layers)) {
    offer(
      `${layers} layers on GPU`,
      "the others run from system memory",
      { gpu_layers: String(layers) },
      {
        options: { ...input.options, gpuLayers: layers },
      },
    );
  }
  return changes.slice(0, MOST);
}

/** "−5.5 GiB", "+0.2 GiB". */
export function signedBytes(saved: number): string {
  return saved >= 0 ? `−${formatBytes(saved)}` : `+${formatBytes(-saved)}`;
}
