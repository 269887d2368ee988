import { describe, expect, test } from "bun:test";
import { byGlob, byModule, byNameOrExpression } from "../../../../src/math/parts/formats/module-match.ts";

const NAME = "model.layers.10.mlp.gate_proj";

describe("lists of modules", () => {
  test.each([
    [["lm_head"], false],
    [[NAME], true],
    [["model.layers.10"], true],
    [["model.layers.1"], false],
    [["gate_proj"], true],
    [["mlp"], true],
    [["gate"], false],
    [["model.layers.*.mlp"], true],
    [["model.layers.*.self_attn"], false],
  ])("by module, as transformers: %j", (list, found) => {
    expect(byModule(list)([NAME])).toBe(found);
  });

  test.each([
    [["re:.*mlp\\.(gate|up|gate_up|down)_proj.*"], true],
    [["re:mlp.*"], false],
    [["re:^(?!.*experts).*"], true],
    [["model.layers.10.mlp"], false],
    [[NAME], true],
  ])("by name or expression, as compressed-tensors: %j", (list, found) => {
    expect(byNameOrExpression(list)([NAME])).toBe(found);
  });

  test.each([
    [["model.layers.1*"], true],
    [["model.layers.1.*"], false],
    [["*.mlp.*"], true],
    [["*mlp*gate*"], true],
    [["*gate_proj"], true],
    [["*gate"], false],
    [["*mlp*mlp*"], false],
    [["model.layers.10"], true],
    [["lm_head*"], false],
  ])("by star, as modelopt: %j", (list, found) => {
    expect(byGlob(list)([NAME])).toBe(found);
  });

  test.each([["re:(.*a)*b"], ["re:.*.*.*.*.*.*b"], ["re:(a"], ["re:(a)\\1"], [`re:${"a".repeat(400)}`]])(
    "what may take for ever, or is none, is said: %s",
    (pattern) => {
      expect(() => byNameOrExpression([pattern])).toThrow("quantization_config's list of modules");
    },
  );

  test("stars alone take no time", () => {
    expect(byGlob([`${"*a".repeat(140)}b`])(["a".repeat(5000)])).toBe(false);
  });
});
