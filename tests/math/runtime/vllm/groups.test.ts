import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { groupBlocks, groupCaches, type Request } from "../../../../src/math/runtime/vllm/groups.ts";
import { vllmRules } from "../../../../src/math/runtime/vllm/rules.ts";
import { blockTokens, type CacheOptions, cacheSpecs } from "../../../../src/math/runtime/vllm/specs.ts";
import { configSpec } from "../../../fixtures/vllm/read.ts";
import { modelOf } from "../llama-cpp/models.ts";

const OLD: CacheOptions = { ranks: 1, kvBytes: 2, fp8: false, fullLength: false, rules: vllmRules("0.12.0") };
const NEW: CacheOptions = { ...OLD, rules: vllmRules("0.33.0") };
const AT_32K: Request = { context: 32_768, tokensUnderWay: 2048, statePages: () => 1 };

function layout(model: ModelSpec, options: CacheOptions) {
  const grouping = groupCaches(cacheSpecs(model, options), options.rules.padsPages);
  if (grouping.status !== "ok") throw new Error(grouping.reason);
  return grouping.layout;
}

const blocks = (model: ModelSpec, options: CacheOptions, request: Request): number =>
  layout(model, options).groups.reduce((sum, group) => sum + groupBlocks(group, request), 0);

describe("one kind of attention is one group", () => {
  test("Llama-3.1-8B: 32 layers of 16 tokens x 8 heads x 256 elements x 2 B", () => {
    const { groups, pageBytes } = layout(configSpec("meta-llama-3.1-8b"), OLD);
    expect(groups).toHaveLength(1);
    expect(pageBytes).toBe(0);
    expect(groups[0]?.specs.map((spec) => spec.pageBytes)).toEqual(Array.from({ length: 32 }, () => 65_536));
    // 32,768 / 16
    expect(blocks(configSpec("meta-llama-3.1-8b"), OLD, AT_32K)).toBe(2048);
  });

  test("8 bits halve a page, eight ranks leave one head of eight", () => {
    const [half] = cacheSpecs(configSpec("meta-llama-3.1-8b"), { ...OLD, kvBytes: 1 });
    expect(half?.pageBytes).toBe(32_768);
    const [rank] = cacheSpecs(configSpec("meta-llama-3.1-8b"), { ...OLD, ranks: 8 });
    expect(rank?.pageBytes).toBe(8192);
    // No less than one head: sixteen ranks hold every head twice.
    const [copy] = cacheSpecs(configSpec("meta-llama-3.1-8b"), { ...OLD, ranks: 16 });
    expect(copy?.pageBytes).toBe(8192);
  });
});

describe("windows beside full attention", () => {
  test("gpt-oss-20b: 12 and 12 layers are two groups; 2,048 blocks and ⌈2,175 / 16⌉ + 1 = 137", () => {
    const model = configSpec("gpt-oss-20b");
    const { groups, pageBytes } = layout(model, OLD);
    expect(groups.map(({ specs }) => specs.length)).toEqual([12, 12]);
    // 16 tokens x 8 heads x (64 + 64) x 2 B
    expect(pageBytes).toBe(32_768);
    expect(blocks(model, OLD, AT_32K)).toBe(2185);
  });

  test("as long as the others without the hybrid manager: one group", () => {
    const { groups } = layout(configSpec("gpt-oss-20b"), { ...OLD, fullLength: true });
    expect(groups).toHaveLength(1);
    expect(blocks(configSpec("gpt-oss-20b"), { ...OLD, fullLength: true }, AT_32K)).toBe(2048);
  });
});

describe("states beside attention (vLLM logs of Qwen3.5 and 3.6: 1,056 tokens a page)", () => {
  const model = configSpec("qwen3.5-35b-a3b");

  test("a page of attention holds a whole state", () => {
    // State: (8192 x 3) x 2 B + 32 x 128 x 128 x 4 B = 2,146,304 B; a token: 2 heads x 512 x 2 B = 2,048 B.
    // ⌈2,146,304 / (16 x 2,048)⌉ = 66, and 66 x 16 = 1,056 tokens.
    expect(blockTokens(model, OLD)).toBe(1056);
    const { groups, pageBytes } = layout(model, OLD);
    expect(pageBytes).toBe(1056 * 2048);
    expect(groups.map(({ specs }) => specs.length)).toEqual([10, 10, 10, 10]);
  });

  test("⌈32,768 / 1,056⌉ = 32 blocks of attention and one for each of three groups of states", () => {
    expect(blocks(model, OLD, AT_32K)).toBe(35);
  });

  test("where prefixes are cached, two states a sequence", () => {
    expect(blocks(model, NEW, { ...AT_32K, statePages: ({ statePages }) => statePages })).toBe(38);
  });
});

describe("pages that are not equally large", () => {
  // Two kinds of layers of a made-up model: pages of 48 KiB and 64 KiB.
  const base = cacheSpecs(modelOf("llama-3-8b"), OLD);
  const specs = base.map((spec, i) =>
    i % 2 === 0 ? spec : { ...spec, kind: "sliding" as const, window: 512, pageBytes: 49_152, key: "odd" },
  );

  test("were refused", () => {
    expect(groupCaches(specs, false)).toMatchObject({
      status: "refused",
      reason: "vLLM makes all pages equally large, and 49152 B of layer 1 do not divide 65536 B",
    });
  });

  test("are filled up", () => {
    expect(groupCaches(specs, true)).toMatchObject({ status: "ok", layout: { pageBytes: 65_536 } });
  });
});

interface RecordedGroups {
  readonly name: string;
  readonly context: number;
  readonly groups: readonly number[];
  readonly blockBytes: number;
  readonly blocks: readonly number[];
}

const recorded = readFileSync(join(import.meta.dir, "../../../fixtures/vllm/groups-0.33.0.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as RecordedGroups)
  .map((row) => [row.name.replace(/^llama-3.1/, "meta-llama-3.1"), row] as const);

describe("vLLM 0.33.0's own planning, run", () => {
  const sorted = (counts: readonly number[]): number[] => [...counts].sort((a, b) => a - b);

  test.each(recorded)("%s", (name, row) => {
    const { groups, pageBytes } = layout(configSpec(name), NEW);
    const request: Request = {
      context: row.context,
      tokensUnderWay: 4096,
      statePages: ({ statePages }) => statePages,
    };
    const [first] = groups;
    const own = first?.specs.reduce((sum, spec) => sum + spec.pageBytes, 0) ?? 0;
    expect(groups.length === 1 ? own : pageBytes * (first?.specs.length ?? 0)).toBe(row.blockBytes);
    expect(sorted(groups.map(({ specs }) => specs.length))).toEqual(sorted(row.groups));
    expect(sorted(groups.map((group) => groupBlocks(group, request)))).toEqual(sorted(row.blocks));
  });
});
