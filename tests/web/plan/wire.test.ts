import { describe, expect, test } from "bun:test";
import { sceneOf } from "../../../src/web/plan/scene.ts";
import { decodeSpec, encodeSpec } from "../../../src/web/plan/wire.ts";
import { decodeScene, encodeScene } from "../../../src/web/plan/wire-scene.ts";
import { dumpNames } from "../../fixtures/gguf-dumps.ts";
import { inputFor, specOfDump } from "./scenes.ts";

const known = dumpNames().flatMap((name) => {
  const result = specOfDump(name);
  return result.status === "ok" ? [{ name, spec: result.spec }] : [];
});

describe("a model on its way to the page", () => {
  test.each(known.map(({ name, spec }) => [name, spec] as const))(
    "%s arrives as it was, places in the file too",
    (_, spec) => {
      const wire: unknown = JSON.parse(JSON.stringify(encodeSpec(spec)));
      expect(decodeSpec(wire as ReturnType<typeof encodeSpec>)).toEqual(spec);
    },
  );

  test("there are models of every shape among them", () => {
    expect(known.length).toBeGreaterThan(30);
    expect(
      known.some(({ spec }) => spec.layers.some((layer) => layer.mixers.some((mixer) => mixer.kind === "state"))),
    ).toBe(true);
    expect(
      known.some(({ spec }) => spec.layers.some((layer) => layer.mixers.some((mixer) => mixer.kind === "latent"))),
    ).toBe(true);
  });

  test("126 layers take under 40 kB, a tenth of the plain JSON", () => {
    const big = known.find(({ name }) => name.startsWith("llama-3.1-405b"));
    if (big === undefined) throw new Error("the dump of Llama 3.1 405B is missing");
    const text = JSON.stringify(encodeSpec(big.spec));
    expect(big.spec.layers).toHaveLength(126);
    expect(text.length).toBeLessThan(40_000);
    expect(text.length * 5).toBeLessThan(JSON.stringify(big.spec).length);
  });

  test("a kind that is missing is said", () => {
    const wire = encodeSpec(known[0]?.spec ?? fail());
    expect(() => decodeSpec({ ...wire, kinds: [] })).toThrow("its kind 0 is missing");
  });
});

test("the page plans what the server planned", () => {
  const input = inputFor({ dump: "llama-3-8b-q4_k_m", device: "rtx-4060", options: { context: 16384 } });
  const sent = JSON.parse(JSON.stringify(encodeScene({ input }, { model: "x" }))) as ReturnType<typeof encodeScene>;
  const arrived = decodeScene(sent);
  expect(arrived.form).toEqual({ model: "x" });
  expect(sceneOf(arrived.input).result).toEqual(sceneOf(input).result);
});

function fail(): never {
  throw new Error("no dump is known");
}
