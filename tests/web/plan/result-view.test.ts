import { describe, expect, test } from "bun:test";
import { specFromConfig } from "../../../src/math/arch/index.ts";
import { plan } from "../../../src/math/plan.ts";
import { changesThatFit } from "../../../src/web/plan/fit-changes.ts";
import { resultView } from "../../../src/web/plan/result-view.ts";
import { sceneOf } from "../../../src/web/plan/scene.ts";
import { joinWords, verdictKind, whyFragment } from "../../../src/web/plan/verdict.ts";
import { termOf } from "../../../src/web/plan/why.ts";
import { drawnScene, inputFor } from "./scenes.ts";

const text = (markup: { toString(): string }): string =>
  markup
    .toString()
    .replace(/<[^>]+>/g, "")
    .replaceAll("&#39;", "'")
    .replace(/\s+/g, " ")
    .trim();

describe("the verdict in words", () => {
  test("does not fit: by how much and where, and what would make it fit", () => {
    const input = inputFor({ dump: "llama-3-8b-q4_k_m", device: "6GiB", options: { context: 8192, gpuLayers: "all" } });
    const scene = sceneOf(input);
    expect(verdictKind(scene)).toBe("no");
    expect(text(whyFragment(scene))).toMatch(/^Short by [\d.,]+ (GiB|MiB) on the GPU with 6GiB\.$/);
    const changes = changesThatFit(input, scene.result);
    expect(changes.length).toBeGreaterThan(0);
    expect(changes.length).toBeLessThanOrEqual(3);
    expect(text(resultView(scene, { model: "x" }))).toContain("Any one of these makes it fit");
  });

  test("each change that is offered makes it fit, by the plan's own answer", () => {
    const input = inputFor({
      dump: "llama-3-8b-q4_k_m",
      device: "8GiB",
      options: { context: 8192, sequences: 4, gpuLayers: "all" },
    });
    const result = plan(input);
    expect(result.status).toBe("does_not_fit");
    const changes = changesThatFit(input, result);
    for (const { values } of changes) {
      const changed = plan({
        ...input,
        weights: values.weights ?? input.weights,
        options: {
          ...input.options,
          context: values.context === undefined ? input.options.context : Number(values.context),
          sequences: values.sequences === undefined ? input.options.sequences : Number(values.sequences),
          gpuLayers: values.gpu_layers === undefined ? input.options.gpuLayers : Number(values.gpu_layers),
          kvTypeK: values.kv_type === "q8_0" ? "Q8_0" : values.kv_type === "q4_0" ? "Q4_0" : null,
          kvTypeV: values.kv_type === "q8_0" ? "Q8_0" : values.kv_type === "q4_0" ? "Q4_0" : null,
        },
      });
      expect(changed.status).toBe("fits");
    }
    expect(changes.length).toBeGreaterThan(0);
  });

  test("unknown says what it is about, gives the least it takes, and no zero", () => {
    const input = inputFor({ dump: "rwkv6-finch-7b-q4_k_m", device: "rtx-4090" });
    const spec = specFromConfig({ model_type: "zed" });
    const scene = sceneOf({ ...input, subject: { ...input.subject, spec, fileBytes: 4_700_000_000 } });
    expect(verdictKind(scene)).toBe("unk");
    const words = text(resultView(scene, {}));
    expect(words).toContain("Unknown at least 4.4 GiB of 23.5 GiB");
    expect(words).toContain('"zed"'.replaceAll('"', "&quot;"));
    expect(words).not.toMatch(/\b0 (GiB|MiB)/);
  });

  test("words are joined as people do", () => {
    expect(joinWords([])).toBe("");
    expect(joinWords(["a"])).toBe("a");
    expect(joinWords(["a", "b"])).toBe("a and b");
    expect(joinWords(["a", "b", "c"])).toBe("a, b and c");
  });
});

describe("why this number", () => {
  test("every line of an explanation is taken apart", () => {
    const scenes = [
      drawnScene({ dump: "llama-3-8b-q4_k_m", device: "rtx-4090" }),
      drawnScene({ dump: "qwen35moe-3.6-35b-a3b-ud-q4_k_m", device: "2x rtx-3090", options: { sequences: 2 } }),
      drawnScene({ dump: "gemma3-27b-iq4_xs", device: "cpu:64GiB" }),
    ];
    const terms = scenes.flatMap((scene) => scene.result.explanation ?? []).map(termOf);
    expect(terms.length).toBeGreaterThan(12);
    for (const term of terms) {
      expect(term.basis).not.toBeNull();
      expect(term.swatch).not.toBeNull();
      expect(term.value).toMatch(/^[\d.,]+ (GiB|MiB|bytes)$/);
    }
  });

  test("a line of another shape stays whole", () => {
    expect(termOf("Pool: two of them share it")).toEqual({
      name: "Pool",
      swatch: null,
      formula: "two of them share it",
      value: "",
      basis: null,
    });
  });
});
