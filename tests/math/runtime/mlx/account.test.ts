/**
 * Differential: mlx-lm builds the published models lazily, in several formats, and runs a prompt through them as a graph.
 * Bytes of parameters and of caches are ours, to the byte. A sample; all of them with HWLEDGER_LONG=1.
 */
import { describe, expect, test } from "bun:test";
import { MLX_VERSIONS, MODULES, REMAPPED } from "../../../../src/math/runtime/mlx/modules.ts";
import { publishedModels } from "../../../fixtures/models/read.ts";
import { LONG, requires, testIf } from "../../../requires.ts";
import { askMlx, askPackage } from "./ask.ts";
import { askedModels, compareBytes, questionOf, READ_OTHERWISE, sampleOf } from "./compare.ts";

describe("mlx-lm's own account", () => {
  const reason = requires.mlx();

  testIf(
    reason,
    "parameters and caches of the published models, to the byte",
    () => {
      const asked = LONG ? askedModels() : sampleOf(askedModels());
      const answers = askMlx(asked.map(questionOf));
      const compared = asked.flatMap((one, i) => compareBytes(one, answers[i] ?? { refused: "no answer" }));
      expect(compared.filter(({ ours, theirs }) => ours !== theirs)).toEqual([]);
      const caches = compared.filter(({ what }) => what === "caches");
      expect(caches.length).toBeGreaterThan(asked.length * 0.9);
    },
    LONG ? 1_800_000 : 300_000,
  );

  testIf(
    reason,
    "modules and names are the package's own",
    () => {
      const answer = askPackage();
      expect(answer.version).toBe(MLX_VERSIONS[0]);
      expect([...MODULES].toSorted()).toEqual(answer.modules.toSorted());
      expect(Object.fromEntries(REMAPPED)).toEqual(answer.remapped);
    },
    120_000,
  );

  test("a configuration that is read otherwise is among the published ones", () => {
    const names = new Set(publishedModels().map(({ model }) => model));
    for (const model of Object.keys(READ_OTHERWISE)) expect(names.has(model)).toBe(true);
  });
});
