/**
 * ik_llama.cpp, a fork of llama.cpp: quants of its own, latent attention in four modes, caches of windowed layers as long
 * as all others, one cache for all sequences, the output layer offloaded last.
 * @source ikawrakow/ik_llama.cpp@8337e4cd3861406fc04e0854b1409cd1b027fbc9 src/llama.cpp llama_kv_cache_init, llm_load_tensors, common/common.h
 */
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import { PRESET_WEIGHTS } from "../../weights-choice.ts";
import { planLlamaCpp } from "../llama-cpp/plan.ts";
import type { EnginePlan, EngineRefusal, Loading, Runtime } from "../runtime.ts";
import { ikCommand } from "./command.ts";
import { LATENT_MODES, type LatentMode, stepBeside } from "./latent.ts";
import { ikRules } from "./rules.ts";
import { withLatentRow } from "./unpacked-files.ts";

/** The newest commit that was read. */
const NEWEST = "8337e4c";

/** Builds of 2025, of which loads were measured. */
function isOlder(version: string): boolean {
  const build = Number(/^b(\d{4})$/.exec(version)?.[1] ?? 0);
  return build >= 3608 && build <= 3818;
}

export const IK_LLAMA_CPP: Runtime = {
  id: "ik_llama.cpp",
  versions: [NEWEST, "b3818"],
  knows: (version) => version === NEWEST || isOlder(version),
  own: ["mla", "attentionMaxBatch"],
  extras: ["projector", "adapters"],
  difference: (model) =>
    model.layers.some((layer) => layer.mixers.some(({ kind }) => kind === "latent"))
      ? "ik_llama.cpp caches the latent row as llama.cpp does, and unpacks keys and values of some heads at a time (-amb) to read a prompt"
      : "ik_llama.cpp keeps one cache for all sequences, as long for layers with a window as for all others, and has quants of its own",
  ...PRESET_WEIGHTS,
  kvOffered: ["f16", "q8_0", "q4_0"],
  plan: planIk,
};

/** -mla. @source common/common.h mla_attn */
const DEFAULT_MODE: LatentMode = 3;
/** -amb in MiB. @source common/common.h attn_max_batch */
const DEFAULT_ATTENTION_BATCH = 256;

function planIk(
  typed: ModelSpec,
  asked: PlanOptions,
  machine: Machine,
  loading: Loading = { version: null },
): EnginePlan | EngineRefusal {
  const mode = LATENT_MODES.find((known) => known === (asked.mla ?? DEFAULT_MODE));
  if (mode === undefined) {
    return { status: "refused", reason: `ik_llama.cpp has no -mla ${asked.mla}`, hint: "take 0, 1, 2 or 3" };
  }
  const flashAttention = asked.flashAttention !== "off";
  const attentionBatch = asked.attentionMaxBatch ?? DEFAULT_ATTENTION_BATCH;
  const { version } = loading;
  const older = version !== null && isOlder(version);
  return planLlamaCpp(
    mode === 0 ? typed : withLatentRow(typed),
    asked,
    machine,
    { ...loading, version: null },
    {
      name: "ik_llama.cpp",
      fits: false,
      forkTypes: true,
      takesExtraArguments: true,
      rules: ikRules(mode, flashAttention, version ?? NEWEST),
      options: { mla: mode, attention_max_batch: attentionBatch },
      warnings: [],
      beside: (loaded, options) => stepBeside(loaded, options, mode, attentionBatch, older),
      command: (options, source, weights) => ikCommand(options, { mode, attentionBatch, machine }, source, weights),
    },
  );
}
