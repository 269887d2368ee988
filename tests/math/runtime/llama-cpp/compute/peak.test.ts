import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { specFromConfig } from "../../../../../src/math/arch/index.ts";
import { shapeCaches } from "../../../../../src/math/runtime/llama-cpp/caches.ts";
import { bufferRule } from "../../../../../src/math/runtime/llama-cpp/compute/backends.ts";
import { lengths, makePrograms } from "../../../../../src/math/runtime/llama-cpp/compute/buffers.ts";
import { aliveAtPeak, peakBytes } from "../../../../../src/math/runtime/llama-cpp/compute/peak.ts";
import { Pieces } from "../../../../../src/math/runtime/llama-cpp/compute/pieces.ts";
import type { Program } from "../../../../../src/math/runtime/llama-cpp/compute/program.ts";
import { typeWeights } from "../../../../../src/math/weights-choice.ts";

const GEMMA = {
  model_type: "gemma3_text",
  hidden_size: 1152,
  intermediate_size: 6912,
  num_hidden_layers: 8,
  num_attention_heads: 4,
  num_key_value_heads: 1,
  head_dim: 256,
  sliding_window: 512,
  sliding_window_pattern: 6,
  vocab_size: 262_144,
};
const LLAMA = {
  model_type: "llama",
  hidden_size: 512,
  intermediate_size: 1536,
  num_hidden_layers: 6,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  vocab_size: 32_000,
};

/** Programs of the prompt and the decoding step, half of the layers on an accelerator. */
function programsOf(config: Record<string, unknown>, flashAttention: boolean, kv: "F16" | "Q8_0", sequences: number) {
  const read = specFromConfig(config);
  if (read.status !== "ok") throw new Error(read.reason);
  const typed = typeWeights(read.spec, "Q8_0", []);
  if (typed.status !== "ok") throw new Error("no such weights");
  const count = typed.spec.layers.length;
  const options = { sequences, outputs: sequences, flashAttention, kvTypeK: kv, kvTypeV: kv } as const;
  const loaded = { kvUnified: false, batch: 2048, ubatch: 512, swaFull: false };
  const placement = {
    layerDevice: Int16Array.from({ length: count }, (_, i) => (i < count / 2 ? -1 : 0)),
    outputDevice: 0,
    expertsOnHost: new Uint8Array(count),
    pipelined: false,
    allOffloaded: false,
  };
  const caches = shapeCaches(loaded, 8192, sequences);
  const { prompt, decode } = makePrograms(typed.spec, options, caches, placement, [
    bufferRule("cuda"),
    bufferRule("cpu"),
  ]);
  const at = (context: number) => lengths(typed.spec, shapeCaches(loaded, context, sequences));
  return { programs: [...prompt, ...(decode ?? [])], at };
}

/** A run at this very length, with nothing remembered. */
function afresh(program: Program, full: number, window: number): number {
  return aliveAtPeak({ ...program, pieces: new Pieces() }, full, window).peak;
}

describe("the peak", () => {
  for (const config of [GEMMA, LLAMA]) {
    test(`${config.model_type}: a length that lies in a known piece has the peak that a run of its own has`, () => {
      let asked = 0;
      let ran = 0;
      fc.assert(
        fc.property(
          fc.boolean(),
          fc.constantFrom("F16" as const, "Q8_0" as const),
          fc.integer({ min: 1, max: 4 }),
          fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 60, maxLength: 60 }),
          (flashAttention, kv, sequences, steps) => {
            const { programs, at } = programsOf(config, flashAttention, kv, sequences);
            for (const step of steps) {
              const { full, window } = at(256 * step);
              for (const program of programs) {
                asked++;
                if (program.pieces.find(full === window ? -1 : window, full) === null) ran++;
                expect(peakBytes(program, full, window)).toBe(afresh(program, full, window));
              }
            }
          },
        ),
        { numRuns: 20 },
      );
      // Else nothing above came from a piece.
      expect(ran).toBeLessThan(asked / 2);
    });
  }

  test("lengths that are no multiple of 256 cells are run each for itself", () => {
    const { programs } = programsOf(LLAMA, false, "F16", 1);
    for (const full of [1000, 1001, 1024, 1025]) {
      for (const program of programs) expect(peakBytes(program, full, full)).toBe(afresh(program, full, full));
    }
  });
});

describe("llama.cpp's list of free blocks has 256 places, the endless last one's included", () => {
  /** 2 · holes slots of 256 bytes, of which every other is given back: none of them touches another. */
  function perforated(holes: number): Program {
    const { programs } = programsOf(LLAMA, false, "F16", 1);
    const [some] = programs;
    if (some === undefined) throw new Error("no program");
    const taken = Array.from({ length: 2 * holes }, (_, slot) => slot);
    return {
      ...some,
      events: Int32Array.from([...taken, ...taken.filter((slot) => slot % 2 === 0).map((slot) => ~slot)]),
      sizeOf: new Int32Array(2 * holes),
      sizes: [{ fixed: 256, full: 0, window: 0 }],
      owners: new Int32Array(2 * holes),
      seams: [],
      fuller: null,
      pieces: new Pieces(),
    };
  }

  test("255 holes fit", () => {
    expect(peakBytes(perforated(255), 1024, 1024)).toBe(2 * 255 * 256);
  });

  test("256 do not: llama.cpp stops there, and so does this", () => {
    expect(() => peakBytes(perforated(256), 1024, 1024)).toThrow(RangeError);
  });
});
