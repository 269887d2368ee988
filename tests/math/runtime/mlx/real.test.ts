/** Small models of random weights, really computed on the CPU: what MLX's allocator holds for weights and caches is ours. */
import { describe, expect } from "bun:test";
import type { RawConfig } from "../../../../src/math/arch/family.ts";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import { NO_OPTIONS } from "../../../../src/math/options.ts";
import { cacheBytesAt } from "../../../../src/math/runtime/mlx/memory.ts";
import { moduleOf } from "../../../../src/math/runtime/mlx/modules.ts";
import { prepare } from "../../../../src/math/runtime/mlx/prepare.ts";
import { resolveOptions } from "../../../../src/math/runtime/mlx/resolve.ts";
import { configOf } from "../../../fixtures/models/read.ts";
import { requires, testIf } from "../../../requires.ts";
import { askMlx } from "./ask.ts";
import { MAC, typedAs } from "./peaks.ts";

/** A published model with less of everything: layers, width, words, experts. */
function small(model: string, less: RawConfig): RawConfig {
  const config = { ...configOf(model), vocab_size: 1024, ...less };
  return JSON.parse(JSON.stringify(config)) as RawConfig;
}

const DENSE: RawConfig = {
  num_hidden_layers: 2,
  hidden_size: 256,
  intermediate_size: 512,
  num_attention_heads: 4,
  num_key_value_heads: 2,
};
const FEW_EXPERTS: RawConfig = { ...DENSE, num_experts_per_tok: 2 };

const SMALL: readonly { readonly name: string; readonly config: RawConfig; readonly kvBits?: 8 }[] = [
  { name: "dense", config: small("Qwen/Qwen3-4B", DENSE) },
  { name: "dense with a cache in 8 bits", config: small("Qwen/Qwen3-4B", DENSE), kvBits: 8 },
  {
    name: "windows",
    config: small("google/gemma-3-1b-it", { ...DENSE, num_hidden_layers: 6, head_dim: 64, sliding_window: 16 }),
  },
  {
    name: "experts and a correction bias",
    config: small("MiniMaxAI/MiniMax-M2.5", { ...FEW_EXPERTS, intermediate_size: 128, num_local_experts: 4 }),
  },
  {
    name: "latent attention, decompressed",
    config: small("deepseek-ai/DeepSeek-V2-Lite", {
      ...FEW_EXPERTS,
      num_key_value_heads: 4,
      moe_intermediate_size: 128,
      n_routed_experts: 4,
    }),
  },
  {
    name: "a recurrent state beside attention",
    config: small("tiiuae/Falcon-H1-0.5B-Instruct", {
      num_hidden_layers: 2,
      hidden_size: 256,
      intermediate_size: 512,
    }),
  },
];

/** Bytes that the allocator may be off by: scalars that were there before, and of caches a step's inputs that are not freed yet. */
const SLACK = { weights: 4096, caches: 20 * 1024 } as const;

describe("small models, computed", () => {
  testIf(
    requires.mlx(),
    "weights and caches are what the allocator holds",
    () => {
      const prompt = 40;
      const step = 24;
      const answers = askMlx(
        SMALL.map(({ config, kvBits }) => ({
          config,
          formats: ["mlx-4bit-g64"],
          runs: [{ prompt, tokens: 0, step, ...(kvBits === undefined ? {} : { kv_bits: kvBits }) }],
          evaluate: true,
        })),
      );
      for (const [i, { name, config, kvBits }] of SMALL.entries()) {
        const result = specFromConfig(config);
        const answer = answers[i];
        if (result.status !== "ok" || answer?.active === undefined)
          throw new Error(`${name}: ${JSON.stringify(answer ?? result)}`);
        const typed = typedAs(result.spec, "mlx-4bit-g64");
        const asked = {
          ...NO_OPTIONS,
          context: prompt,
          ubatch: step,
          ...(kvBits === 8 ? { kvTypeK: "Q8" as const } : {}),
        };
        const resolution = resolveOptions(typed, asked, MAC);
        if (resolution.status === "refused") throw new Error(resolution.reason);
        const prepared = prepare(typed, moduleOf(typed) ?? "", resolution.options, MAC);
        const caches = cacheBytesAt(prepared, prompt, "end") + prepared.stateBytes;
        const named = (bytes: number | undefined): string => `${name}: ${bytes}`;
        expect(named(answer.weights?.["mlx-4bit-g64"])).toBe(named(prepared.sizes.total));
        expect(named(answer.caches?.[0]?.reduce((sum, [, bytes]) => sum + bytes, 0))).toBe(named(caches));
        const { weights, caches: held } = answer.active;
        expect(Math.abs(weights - prepared.sizes.total)).toBeLessThan(SLACK.weights);
        // A state that is a view keeps what it was cut from: with one token, one more of each convolution's input.
        const views = prepared.compute.keptConvElements * 2;
        expect(Math.abs((held[0] ?? 0) - caches - views)).toBeLessThan(SLACK.caches);
      }
    },
    120_000,
  );
});
