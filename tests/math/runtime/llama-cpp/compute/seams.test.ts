/** Programs in which layers stand for others, against the same programs with every layer. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { specFromConfig } from "../../../../../src/math/arch/index.ts";
import { BACKENDS } from "../../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../../src/math/model.ts";
import { shapeCaches } from "../../../../../src/math/runtime/llama-cpp/caches.ts";
import { bufferRule } from "../../../../../src/math/runtime/llama-cpp/compute/backends.ts";
import { lengths, makePrograms } from "../../../../../src/math/runtime/llama-cpp/compute/buffers.ts";
import { aliveAtPeak, peakBytes } from "../../../../../src/math/runtime/llama-cpp/compute/peak.ts";
import type { Program } from "../../../../../src/math/runtime/llama-cpp/compute/program.ts";
import { HOST, type Placement } from "../../../../../src/math/runtime/llama-cpp/types.ts";
import { typeWeights } from "../../../../../src/math/weights-choice.ts";
import { publishedModels } from "../../../../fixtures/models/read.ts";

function everyLayer(program: Program): Program {
  let whole = program;
  while (whole.fuller !== null) whole = whole.fuller();
  return whole;
}

const MODELS = publishedModels().flatMap(({ model, config }) => {
  const read = specFromConfig(config);
  return read.status === "ok" ? [{ model, spec: read.spec }] : [];
});

const situation = fc.record({
  model: fc.constantFrom(...MODELS),
  weights: fc.constantFrom("Q4_K_M", "Q8_0"),
  backends: fc.array(fc.constantFrom(...BACKENDS.filter((backend) => backend !== "cpu")), { maxLength: 2 }),
  /** Of all layers and the output. */
  offloaded: fc.double({ min: 0, max: 1, noNaN: true }),
  hostExperts: fc.double({ min: 0, max: 1, noNaN: true }),
  flashAttention: fc.boolean(),
  sequences: fc.constantFrom(1, 4),
  ubatch: fc.constantFrom(128, 512),
  cells: fc.integer({ min: 1, max: 256 }),
});

function placed(spec: ModelSpec, accelerators: number, share: number, experts: number): Placement {
  const count = spec.layers.length;
  const offloaded = accelerators === 0 ? 0 : Math.round(share * (count + 1));
  const start = count + 1 - offloaded;
  const device = (i: number): number => {
    if (i < start || offloaded === 0) return HOST;
    return accelerators === 1 || i - start < offloaded / 2 ? 0 : 1;
  };
  const expertsOnHost = Uint8Array.from(spec.layers, ({ feedForward }, i) =>
    feedForward.kind === "moe" && i >= start && i < start + experts * offloaded ? 1 : 0,
  );
  const allOffloaded = offloaded === count + 1;
  return {
    layerDevice: Int16Array.from(spec.layers, (_, i) => device(i)),
    outputDevice: device(count),
    expertsOnHost,
    allOffloaded,
    pipelined: accelerators > 1 && allOffloaded && !expertsOnHost.includes(1),
  };
}

describe("layers that stand for others", () => {
  test("the peak is that of every layer, for any model, placement and step", () => {
    let shortened = 0;
    let held = 0;
    fc.assert(
      fc.property(situation, (s) => {
        const typed = typeWeights(s.model.spec, s.weights, []);
        if (typed.status !== "ok") return;
        const { spec } = typed;
        const loaded = { kvUnified: false, batch: 2048, ubatch: s.ubatch, swaFull: false };
        const caches = shapeCaches(loaded, 256 * s.cells, s.sequences);
        const { sequences, flashAttention } = s;
        const options = { sequences, outputs: sequences, flashAttention, kvTypeK: "F16", kvTypeV: "F16" } as const;
        const placement = placed(spec, s.backends.length, s.offloaded, s.hostExperts);
        const rules = [...s.backends.map(bufferRule), bufferRule("cpu")];
        const { prompt, decode } = makePrograms(spec, options, caches, placement, rules);
        const { full, window } = lengths(spec, caches);
        for (const program of [...prompt, ...(decode ?? [])]) {
          if (program.fuller === null) continue;
          let asked = false;
          const more = program.fuller;
          const watched: Program = {
            ...program,
            fuller: () => {
              asked = true;
              return more();
            },
          };
          shortened++;
          expect(peakBytes(watched, full, window)).toBe(aliveAtPeak(everyLayer(program), full, window).peak);
          if (!asked) held++;
        }
      }),
      { numRuns: 150 },
    );
    // Else nothing above came from fewer layers.
    expect(held).toBeGreaterThan(shortened / 2);
  }, 60_000);

  test("80 alike layers: fewer events than a tenth of them all", () => {
    const config = {
      model_type: "llama",
      hidden_size: 1024,
      intermediate_size: 4096,
      num_hidden_layers: 80,
      num_attention_heads: 8,
      num_key_value_heads: 8,
      vocab_size: 32_000,
    };
    const read = specFromConfig(config);
    if (read.status !== "ok") throw new Error(read.reason);
    const typed = typeWeights(read.spec, "Q8_0", []);
    if (typed.status !== "ok") throw new Error("no such weights");
    const caches = shapeCaches({ kvUnified: false, batch: 2048, ubatch: 512, swaFull: false }, 4096, 1);
    const options = { sequences: 1, outputs: 1, flashAttention: true, kvTypeK: "F16", kvTypeV: "F16" } as const;
    const { prompt } = makePrograms(typed.spec, options, caches, placed(typed.spec, 0, 0, 0), [bufferRule("cpu")]);
    const [program] = prompt;
    if (program === undefined) throw new Error("no program");
    expect(program.events.length).toBeLessThan(everyLayer(program).events.length / 10);
  });
});
