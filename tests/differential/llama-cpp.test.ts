/**
 * llama.cpp v0.5.0 asked about every dump and config whose family hwLedger knows: caches, states, weights and the output buffer equal to
 * the last digit it reports, on a sample of the grid or (HWLEDGER_LONG=1) on all of it. Compute buffers: compute-golden.ts.
 */
import { describe, expect, test } from "bun:test";
import { FAMILIES } from "../../src/math/arch/families.ts";
import { ARCHITECTURES } from "../../src/math/arch/index.ts";
import { isGgmlType, isQuantized } from "../../src/math/ggml-types.ts";
import { LONG, requires, testIf } from "../requires.ts";
import type { Comparison } from "./compare.ts";
import { goldenSize, growth, readGolden, summarise } from "./compute-golden.ts";
import { presetOf } from "./grid.ts";
import { allSubjects, compareAt } from "./measure.ts";
import { dumpSubjects } from "./subjects.ts";

const DUMPS = dumpSubjects();
const ALL = allSubjects(LONG);

/** llama.cpp itself does not take these files. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  // Its file lists blk.N.attn_rot_embd.weight, 32 tensors that no llama has.
  ["llama-chatqa-1.5-8b-f16", "wrong number of tensors; expected 323, got 291"],
]);

/** Where llama.cpp aborts: it is asked without a model's weights, but a real load aborts alike. */
const ABORTS: readonly { readonly words: RegExp; readonly when: (one: string) => boolean }[] = [
  // Too many nodes for its graph, which has room for eight a tensor: few tensors a layer, and rotations of K and of V.
  { words: /^ggml-impl\.h: fatal error$/, when: (one) => bothQuantized(one) && one.includes("-fa on") },
  // Latent attention in several streams without flash attention.
  {
    words: /^ggml\.c: GGML_ASSERT\(ggml_nelements\(a\) == ne0\*ne1\) failed$/,
    when: (one) => one.includes("-fa off") && !one.includes(" x1 "),
  },
  // Lightning attention of several sequences.
  { words: /^ggml\.c: GGML_ASSERT\(ggml_can_repeat\(b, a\)\) failed$/, when: (one) => !one.includes(" x1 ") },
];

function bothQuantized(label: string): boolean {
  const [k = "", v = ""] = (/kv (\S+)/.exec(label)?.[1] ?? "").toUpperCase().split("/");
  return [k, v].every((type) => isGgmlType(type) && isQuantized(type));
}

const KNOWN = new Set<string>(FAMILIES.flatMap((id) => ARCHITECTURES[id].ggufArchitectures));

test("every dump is asked about, cut short, or unknown with a reason", () => {
  const named = (status: string): string[] => DUMPS.filter((dump) => dump.status === status).map(({ name }) => name);
  const unknown = DUMPS.filter(({ status }) => status === "unknown").map(({ architecture }) => architecture);
  process.stdout.write(`dumps asked about: ${named("ok").length}; cut: ${named("cut").join(", ") || "none"}\n`);
  process.stdout.write(`dumps of unknown families: ${named("unknown").join(", ")}\n`);
  expect(named("cut")).toEqual([]);
  expect(unknown.filter((architecture) => KNOWN.has(architecture))).toEqual([]);
  expect(named("ok").length).toBeGreaterThanOrEqual(56);
});

test("every family is among those asked about", () => {
  const families = ALL.flatMap((subject) => (subject.status === "ok" ? [subject.spec.family] : []));
  expect(new Set(families)).toEqual(new Set(FAMILIES));
});

describe("equal to llama.cpp's last digit", () => {
  const done: Comparison[] = [];
  for (const subject of ALL) {
    if (subject.status !== "ok") continue;
    testIf(
      requires.engine(),
      `${subject.name} as ${presetOf(subject.seed)}`,
      async () => {
        const comparison = await compareAt(subject, LONG);
        expect(comparison.differences).toEqual([]);
        expect(comparison.modelRefused).toBe(REFUSED.get(subject.name) ?? null);
        for (const crash of comparison.crashed) {
          const end = crash.indexOf(": ");
          const [one, words] = [crash.slice(0, end), crash.slice(end + 2)];
          expect([crash, ABORTS.some((abort) => abort.words.test(words) && abort.when(one))]).toEqual([crash, true]);
        }
        if (comparison.modelRefused === null)
          expect(comparison.compared + comparison.crashed.length).toBeGreaterThan(0);
        done.push(comparison);
      },
      LONG ? 600_000 : 120_000,
    );
  }

  testIf(requires.engine(), "compute buffers err no more than they did", () => {
    const size = goldenSize(LONG);
    const now = summarise(done);
    expect(growth(readGolden()[size], now)).toEqual([]);
  });
});
