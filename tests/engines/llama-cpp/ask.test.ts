import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ACCOUNTING_COMMAND } from "../../../src/engines/llama-cpp/accounting-child.ts";
import { type AskedModel, askLlamaCpp } from "../../../src/engines/llama-cpp/ask.ts";
import { exactCacheBytes, magnified } from "../../../src/engines/llama-cpp/exact-caches.ts";
import type { AskedContext, AskedTensor, MetadataPair } from "../../../src/engines/llama-cpp/protocol.ts";
import { ACCOUNTING, fakeAccounting } from "../../fakes/accounting.ts";
import { requires, testIf } from "../../requires.ts";

/** The smallest llama: 2 layers, E 64, 2 heads of 32, 1 of them for K and V, F 128, vocabulary 320. */
const METADATA: readonly MetadataPair[] = [
  { key: "general.architecture", type: "str", value: "llama" },
  { key: "llama.context_length", type: "u32", value: 1024 },
  { key: "llama.embedding_length", type: "u32", value: 64 },
  { key: "llama.block_count", type: "u32", value: 2 },
  { key: "llama.feed_forward_length", type: "u32", value: 128 },
  { key: "llama.attention.head_count", type: "u32", value: 2 },
  { key: "llama.attention.head_count_kv", type: "u32", value: 1 },
  { key: "llama.attention.layer_norm_rms_epsilon", type: "f32", value: 1e-5 },
  { key: "tokenizer.ggml.model", type: "str", value: "no_vocab" },
  { key: "llama.vocab_size", type: "u32", value: 320 },
];
const LAYER = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"];
const TENSORS: readonly AskedTensor[] = [
  "token_embd.weight",
  "output_norm.weight",
  "output.weight",
  ...[0, 1].flatMap((i) => LAYER.map((name) => `blk.${i}.${name}.weight`)),
].map((name) => ({ name, type: "F32" }));
const CONTEXT: AskedContext = {
  contextTotal: 1000,
  sequences: 1,
  ubatch: 64,
  flashAttention: "on",
  kvTypeK: "F16",
  kvTypeV: "Q8_0",
  swaFull: false,
};
const ASKED: AskedModel = { metadata: METADATA, tensors: TENSORS, contexts: [CONTEXT] };

/** Native code is never reached: the fakes answer in the child's place. */
describe("whatever becomes of the child is data", () => {
  const MODEL = `console.log('{"event":"model","bytes":7,"milliseconds":1}');`;
  testIf(requires.engine(), "lines that are none of ours are passed over", async () => {
    const script = `console.log("llama says"); console.log('{"event":"odd"}'); ${MODEL} console.log('{"event":"done"}')`;
    expect(await askLlamaCpp(ASKED, fakeAccounting(script))).toEqual({
      status: "ok",
      version: "v0.5.0",
      weightsBytes: 7,
      loadMilliseconds: 1,
      contexts: [],
    });
  });

  testIf(requires.engine(), "a crash keeps what was answered before it", async () => {
    const script = `${MODEL} console.error("GGML_ASSERT(x) failed"); setTimeout(() => process.kill(process.pid, "SIGSEGV"), 20)`;
    expect(await askLlamaCpp(ASKED, fakeAccounting(script))).toMatchObject({
      status: "crashed",
      signal: "SIGSEGV",
      tail: "GGML_ASSERT(x) failed",
      weightsBytes: 7,
    });
  });

  testIf(requires.engine(), "an exit without an answer is a crash too", async () => {
    expect(await askLlamaCpp(ASKED, fakeAccounting("process.exit(64)"))).toMatchObject({
      status: "crashed",
      signal: null,
    });
  });

  testIf(requires.engine(), "silence ends at the time-out, and a cancel at once", async () => {
    const hang = fakeAccounting("setInterval(() => {}, 1000)");
    expect(await askLlamaCpp(ASKED, { ...hang, timeoutMs: 200 })).toMatchObject({
      status: "timed_out",
      timeoutMs: 200,
    });
    expect(await askLlamaCpp(ASKED, { ...hang, signal: AbortSignal.abort() })).toMatchObject({ status: "cancelled" });
  });

  testIf(
    requires.engine(),
    "a program that does not start, and a native part that does not load, are unavailable",
    async () => {
      const missing = { ...ACCOUNTING, spawn: { command: ["/no/such/program"], env: {} } };
      expect(await askLlamaCpp(ASKED, missing)).toMatchObject({ status: "unavailable" });
      const said = fakeAccounting(`console.log('{"event":"unavailable","reason":"GLIBC_2.38 not found"}')`);
      expect(await askLlamaCpp(ASKED, said)).toMatchObject({
        status: "unavailable",
        reason: expect.stringContaining("GLIBC_2.38"),
      });
    },
  );
});

describe("the real child", () => {
  testIf(requires.engine(), "accounts for a model by hand", async () => {
    const result = await askLlamaCpp({ ...ASKED, contexts: [CONTEXT, magnified(CONTEXT)] }, ACCOUNTING);
    // embedding and head 64·320·4 each; norms 5·64·4; a layer: Q and output 64·64·4, K and V 64·32·4, feed-forward 3·64·128·4
    expect(result).toMatchObject({ status: "ok", version: "v0.5.0", weightsBytes: 2 * 81_920 + 1280 + 2 * 147_456 });
    if (result.status !== "ok") return;
    const [context, large] = result.contexts;
    // 1000 cells to a multiple of 256
    expect(context).toMatchObject({ status: "ok", contextTotal: 1024, states: [] });
    expect(context?.status === "ok" && context.caches[0]).toMatchObject({ cells: 1024, layers: 2, streams: 1 });
    // 2 layers · 1024 cells · (32 f16 elements: 64 bytes; a q8_0 block of 32: 34)
    expect(context && large && exactCacheBytes(context, large)).toBe(2 * 1024 * 98);
  });

  testIf(requires.engine(), "hands on llama.cpp's own words for a refusal", async () => {
    expect(await askLlamaCpp({ ...ASKED, tensors: TENSORS.slice(1) }, ACCOUNTING)).toMatchObject({
      status: "refused",
      reason: "missing tensor 'token_embd.weight'",
    });
    const many = [...TENSORS, { name: "blk.0.attn_gate.weight", type: "F32" }];
    expect(await askLlamaCpp({ ...ASKED, tensors: many }, ACCOUNTING)).toMatchObject({
      status: "refused",
      reason: "wrong number of tensors; expected 22, got 21",
    });
    const off: AskedContext = { ...CONTEXT, flashAttention: "off" };
    const answer = await askLlamaCpp({ ...ASKED, contexts: [off, CONTEXT] }, ACCOUNTING);
    expect(answer).toMatchObject({
      status: "ok",
      contexts: [
        { status: "refused", reason: "quantized V cache requires flash_attn to be enabled" },
        { status: "ok" },
      ],
    });
  });

  testIf(requires.engine(), "survives an abort of native code", async () => {
    const metadata = METADATA.filter(({ key }) => !key.startsWith("llama.attention.head_count"));
    const result = await askLlamaCpp({ ...ASKED, metadata }, ACCOUNTING);
    expect(result).toMatchObject({ status: "crashed", signal: "SIGABRT" });
    expect(result.status === "crashed" && result.tail).toMatch(/^\S+: GGML_ASSERT\(.*\) failed$/);
  });

  testIf(requires.engine(), "a type of its own that ggml has not is refused before native code", async () => {
    const tensors = TENSORS.map((tensor) => ({ ...tensor, type: "Q9_9" }));
    expect(await askLlamaCpp({ ...ASKED, tensors }, ACCOUNTING)).toMatchObject({ status: "refused" });
  });
});

test("the program's hidden command is the child", () => {
  const main = join(import.meta.dir, "../../../src/cli/main.ts");
  const child = Bun.spawnSync([process.execPath, main, ACCOUNTING_COMMAND], { stdin: new Blob(["no\n"]) });
  expect([child.exitCode, child.stderr.toString()]).toEqual([
    64,
    expect.stringContaining("no question on standard input"),
  ]);
});

test("a child without a question exits 64", () => {
  const { command } = ACCOUNTING.spawn;
  expect(Bun.spawnSync([...command], { stdin: new Blob(["no\n"]) }).exitCode).toBe(64);
  expect(Bun.spawnSync([...command], { stdin: new Blob([""]) }).exitCode).toBe(64);
});
