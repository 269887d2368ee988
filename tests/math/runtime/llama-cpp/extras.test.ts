import { describe, expect, test } from "bun:test";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import { NO_EXTRAS, type PlanExtras, type SideFile } from "../../../../src/math/extras.ts";
import type { LayerSpec, ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS, type PlanOptions } from "../../../../src/math/options.ts";
import { assignPreset } from "../../../../src/math/parts/presets.ts";
import { plan as answer } from "../../../../src/math/plan.ts";
import { planLlamaCpp } from "../../../../src/math/runtime/llama-cpp/plan.ts";
import type { EnginePlan } from "../../../../src/math/runtime/runtime.ts";
import { MIB } from "../../../../src/math/units.ts";
import { loadLogs } from "../../../fixtures/load-logs/read.ts";
import { specOfModel } from "../../../fixtures/models/read.ts";
import { device, machineOf, modelOf } from "./models.ts";

const llama = modelOf("llama-3-8b");
const card = machineOf([device("CUDA0", 24)]);

function side(
  name: string,
  architecture: string,
  tensors: SideFile["tensors"],
  metadata: SideFile["metadata"] = {},
): SideFile {
  return { name, architecture, tensors, metadata };
}

const tensor = (name: string, shape: readonly number[], type: string) => ({ name, shape, type });

function planOf(
  extras: Partial<PlanExtras>,
  asked: Partial<PlanOptions> = {},
  model: ModelSpec = llama,
  machine = card,
): EnginePlan {
  const plan = planLlamaCpp(model, { ...NO_OPTIONS, context: 8192, ...asked }, machine, {
    version: null,
    extras: { ...NO_EXTRAS, ...extras },
  });
  if (plan.status === "refused") throw new Error(plan.reason);
  return plan;
}

const at = (plan: EnginePlan, part: keyof EnginePlan["parts"], slot: number): number => plan.parts[part][slot] ?? 0;
const sum = (bytes: Float64Array): number => bytes.reduce((total, one) => total + one, 0);
const alone = planOf({});

describe("a LoRA adapter", () => {
  // Rank 16 on q and v of layers 0 and 31, F16: 2 · (16·4096 + 4096·16 + 16·4096 + 1024·16) · 2 B
  const adapter = side(
    "a.gguf",
    "llama",
    [0, 31].flatMap((layer) => [
      tensor(`blk.${layer}.attn_q.weight.lora_a`, [4096, 16], "F16"),
      tensor(`blk.${layer}.attn_q.weight.lora_b`, [16, 4096], "F16"),
      tensor(`blk.${layer}.attn_v.weight.lora_a`, [4096, 16], "F16"),
      tensor(`blk.${layer}.attn_v.weight.lora_b`, [16, 1024], "F16"),
    ]),
  );

  test("its matrices lie where those lie that it adapts", () => {
    const bytes = 2 * 2 * (16 * 4096 * 3 + 16 * 1024);
    const plan = planOf({ adapters: [adapter] });
    expect(at(plan, "weights_bytes", 0) - at(alone, "weights_bytes", 0)).toBe(bytes);
    const half = planOf({ adapters: [adapter] }, { gpuLayers: 2 });
    const without = planOf({}, { gpuLayers: 2 });
    expect(at(half, "weights_bytes", 0) - at(without, "weights_bytes", 0)).toBe(bytes / 2);
    expect(at(half, "weights_bytes", 1) - at(without, "weights_bytes", 1)).toBe(bytes / 2);
    expect(plan.outside).toContainEqual({ name: "adapter a.gguf", slot: 0, bytes });
  });

  test("is named in the command, and something else is refused", () => {
    expect(planOf({ adapters: [adapter] }).command({ id: null, source: "file", file: "m.gguf" })).toEndWith(
      " --lora a.gguf",
    );
    const wrong = planLlamaCpp(llama, NO_OPTIONS, card, {
      version: null,
      extras: { ...NO_EXTRAS, adapters: [side("b.gguf", "llama", [])] },
    });
    expect(wrong).toMatchObject({ status: "refused", reason: '"b.gguf" is not an adapter' });
  });
});

describe("a projector", () => {
  // 24 patches a side, 576 in all; E 1024, F 4096, 16 heads
  const projector = side("mmproj.gguf", "clip", [tensor("v.patch_embd.weight", [14, 14, 3, 1024], "F16")], {
    "clip.vision.image_size": 336,
    "clip.vision.patch_size": 14,
    "clip.vision.embedding_length": 1024,
    "clip.vision.feed_forward_length": 4096,
    "clip.vision.attention.head_count": 16,
  });

  test("lies on the first card; its step is the feed-forward's with flash attention", () => {
    const plan = planOf({ projector });
    expect(at(plan, "weights_bytes", 0) - at(alone, "weights_bytes", 0)).toBe(14 * 14 * 3 * 1024 * 2);
    const dense = 576 * (2 * 4096 + 3 * 1024) * 4;
    expect(at(plan, "compute_bytes", 0) - at(alone, "compute_bytes", 0)).toBe(dense);
    expect(plan.high - plan.low).toBeGreaterThan(alone.high - alone.low);
    expect(plan.command({ id: null, source: "file", file: "m.gguf" })).toEndWith(" --mmproj mmproj.gguf");
  });

  test("Qwen's warm up with 46 x 46 tokens of 2 x 2 patches: 8464 patches, 1472 pixels a side at 16", () => {
    const qwen = {
      ...projector,
      metadata: { ...projector.metadata, "clip.projector_type": "qwen3vl_merger", "clip.vision.patch_size": 16 },
    };
    const [patches, width, feedForward, heads] = [8464, 1024, 4096, 16];
    const more = (flashAttention: "on" | "off") =>
      at(planOf({ projector: qwen }, { flashAttention }), "compute_bytes", 0) -
      at(planOf({}, { flashAttention }), "compute_bytes", 0);
    expect(more("on")).toBe(patches * (2 * feedForward + 3 * width) * 4);
    expect(more("off")).toBe(patches * (patches * heads + 5 * width) * 4);
  });

  test("on a machine without a card it is on the host", () => {
    const host = machineOf([]);
    const more =
      at(planOf({ projector }, {}, llama, host), "weights_bytes", 0) -
      at(planOf({}, {}, llama, host), "weights_bytes", 0);
    expect(more).toBe(14 * 14 * 3 * 1024 * 2);
  });
});

describe("a draft model", () => {
  const small: ModelSpec = { ...llama, layers: llama.layers.slice(0, 4) };

  test("has weights, a cache as long as the model's, and a context of its own", () => {
    const plan = planOf({ draft: { name: "d.gguf", model: small } });
    // 4 of 32 layers: 1024 MiB / 8, in F16 whatever the model's cache is in
    expect(at(plan, "kv_cache_bytes", 0) - at(alone, "kv_cache_bytes", 0)).toBe(128 * MIB);
    const quantized = planOf({ draft: { name: "d.gguf", model: small } }, { kvTypeK: "Q8_0", kvTypeV: "Q8_0" });
    expect(at(quantized, "kv_cache_bytes", 0)).toBe((544 + 128) * MIB);
    const own = planOf({}, {}, small);
    expect(at(plan, "weights_bytes", 0) - at(alone, "weights_bytes", 0)).toBe(at(own, "weights_bytes", 0));
    // 3 tokens are drafted: 4 rows of logits for the model's one sequence.
    expect(at(plan, "compute_bytes", 0)).toBeGreaterThan(at(alone, "compute_bytes", 0));
    expect(plan.command({ id: null, source: "file", file: "m.gguf" })).toEndWith(" -md d.gguf");
  });

  test("lines of the answer add up to its parts", () => {
    const plan = planOf({ draft: { name: "d.gguf", model: small } });
    let kv = sum(plan.layers.kv);
    let weights = sum(plan.layers.weights);
    for (const part of plan.outside) {
      kv += part.kv ?? 0;
      weights += part.bytes;
    }
    expect(kv).toBe(sum(plan.parts.kv_cache_bytes));
    expect(weights).toBe(sum(plan.parts.weights_bytes));
  });

  test("of another vocabulary is refused", () => {
    const other = { ...small, vocabularySize: 32000 };
    const plan = planLlamaCpp(llama, NO_OPTIONS, card, {
      version: null,
      extras: { ...NO_EXTRAS, draft: { name: "d", model: other } },
    });
    expect(plan).toMatchObject({ status: "refused", reason: expect.stringContaining("32000 tokens") });
  });

  test("counts for the longest context: it fits, and 256 tokens more do not", () => {
    const draft = { name: "d.gguf", model: small };
    const tight = machineOf([device("CUDA0", 10)]);
    const context = planOf({ draft }, { gpuLayers: "all" }, llama, tight).limits().maxContext ?? 0;
    const fits = (tokens: number): boolean =>
      planOf({ draft }, { gpuLayers: "all", context: tokens }, llama, tight).spare.every(
        (left) => left === null || left >= 0,
      );
    expect(fits(context)).toBe(true);
    expect(fits(context + 256)).toBe(false);
    expect(context).toBeLessThan(planOf({}, { gpuLayers: "all" }, llama, tight).limits().maxContext ?? 0);
  });
});

describe("the model's own heads for drafting", () => {
  const result = specFromConfig({
    model_type: "qwen3_5",
    text_config: {
      model_type: "qwen3_5_text",
      hidden_size: 5120,
      intermediate_size: 17408,
      num_hidden_layers: 64,
      num_attention_heads: 24,
      num_key_value_heads: 4,
      head_dim: 256,
      vocab_size: 248320,
      max_position_embeddings: 262144,
      full_attention_interval: 4,
      linear_conv_kernel_dim: 4,
      linear_key_head_dim: 128,
      linear_value_head_dim: 128,
      linear_num_key_heads: 16,
      linear_num_value_heads: 48,
      tie_word_embeddings: false,
    },
  });
  if (result.status !== "ok") throw new Error(result.reason);
  const trunk = assignPreset(result.spec, "Q4_K_M", { imatrix: false });
  const attention = trunk.layers[3];
  if (attention === undefined) throw new Error("no layer 3");
  const block: LayerSpec = {
    ...attention,
    index: 64,
    tensors: attention.tensors.map((one) => ({ ...one, name: one.name.replace("blk.3.", "blk.64.") })),
  };
  const model: ModelSpec = { ...trunk, mtpLayers: [block] };

  test("Qwen3.8-27B for 4 sequences of one pool of 8192: the draft's cache is 32 MiB, as llama.cpp b9849 prints it", () => {
    const log = loadLogs().find(({ id }) => id === "h-qwen3.8-27b-q5-vulkan-3090-mtp-draft");
    expect(log?.measured.kv_mib).toBe(32);
    const asked = { sequences: 4, kvUnified: true, gpuLayers: "all" } as const;
    const plan = planOf({ draft: "mtp" }, asked, model);
    const without = planOf({}, asked, model);
    expect(at(plan, "kv_cache_bytes", 0) - at(without, "kv_cache_bytes", 0)).toBe(32 * MIB);
    // States once more for each of 3 drafted tokens: 149.625 MiB · 4 · 4
    expect(at(without, "state_bytes", 0)).toBe(598.5 * MIB);
    expect(at(plan, "state_bytes", 0)).toBe(2394 * MIB);
    expect(at(plan, "weights_bytes", 0)).toBeGreaterThan(at(without, "weights_bytes", 0));
  });

  test("are refused where there are none", () => {
    const plan = planLlamaCpp(llama, NO_OPTIONS, card, { version: null, extras: { ...NO_EXTRAS, draft: "mtp" } });
    expect(plan).toMatchObject({ status: "refused", reason: expect.stringContaining("no blocks") });
  });
});

test("another engine says that it is not planned with them", () => {
  const result = answer({
    subject: {
      id: "a/b",
      source: "hub",
      revision: null,
      file: null,
      downloadBytes: null,
      spec: { status: "ok", spec: llama, warnings: [] },
      choices: [],
      warnings: [],
    },
    weights: "Q4_K_M",
    engine: "node-llama-cpp",
    engineVersion: null,
    device: "cpu",
    options: NO_OPTIONS,
    extras: { ...NO_EXTRAS, draft: "mtp" },
    machine: machineOf([]),
    summary: true,
  });
  expect(result.error).toMatchObject({
    message: "hwLedger cannot plan node-llama-cpp with --draft",
    hint: expect.stringContaining("plan for llama.cpp"),
  });
});

describe("a draft model's context is made with the options of the load", () => {
  const typed = (id: string): ModelSpec => assignPreset(specOfModel(id), "Q4_K_M", { imatrix: false });
  const gemma = typed("google/gemma-3-27b-it");
  const draft = { name: "d", model: typed("google/gemma-3-1b-it") };
  const many = machineOf(Array.from({ length: 8 }, (_, i) => device(`CUDA${i}`, 80)));
  const extras: PlanExtras = { ...NO_EXTRAS, draft };
  const plan = (asked: Partial<PlanOptions>, again: PlanExtras): EnginePlan => {
    const answer = planLlamaCpp(gemma, { ...NO_OPTIONS, context: 32768, ...asked }, many, {
      version: null,
      extras: again,
    });
    if (answer.status === "refused") throw new Error(answer.reason);
    return answer;
  };

  test.each([[{ swaFull: true }], [{ program: "llama-cli" }], [{ batch: 1024, ubatch: 256 }]] as const)(
    "a plain load first, then %j",
    (asked) => {
      const plain = plan({}, extras);
      const then = plan(asked, extras);
      const afresh = plan(asked, { ...extras });
      expect([...then.total]).toEqual([...afresh.total]);
      expect([...then.total]).not.toEqual([...plain.total]);
    },
  );

  test("swa_full: every layer of both models has whole caches", () => {
    plan({}, extras);
    // 62 · 16 · 128 and 26 · 1 · 256 elements of K and of V in F16
    expect(sum(plan({ swaFull: true }, extras).parts.kv_cache_bytes)).toBe(32768 * 4 * (62 * 16 * 128 + 26 * 1 * 256));
  });
});
