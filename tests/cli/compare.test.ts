import { describe, expect, test } from "bun:test";
import { renderCompare } from "../../src/cli/render-compare.ts";
import { devicesOf } from "../../src/devices-of.ts";
import { ENGINES, NO_OPTIONS } from "../../src/math/options.ts";
import { runCli, writeModel } from "./run-cli.ts";
import { SLIDING_PLAN } from "./sliding-plan.ts";

const SLOW_MS = 60_000;
const MODEL = writeModel();

describe("hwledger compare", () => {
  test(
    "JSON: a row for each engine and device, each with its command and why it differs",
    () => {
      const { status, out, err } = runCli(["compare", MODEL, "--device", "24GiB,rtx-3090", "--json"]);
      expect([status, err]).toEqual([0, ""]);
      const answer = JSON.parse(out);
      expect(answer.schema).toBe("hwledger.compare/1");
      expect(answer.model.id).toBe(MODEL);
      expect(answer.rows).toHaveLength(2 * ENGINES.length);
      const ours = answer.rows.filter((row: { engine: { id: string } }) => row.engine.id === "llama.cpp");
      expect(ours.map((row: { options: { device: string } }) => row.options.device).toSorted()).toEqual([
        "24GiB",
        "rtx-3090",
      ]);
      for (const row of ours) {
        expect(row.command).toStartWith("llama-server ");
        expect(row.difference.length).toBeGreaterThan(20);
      }
      const alone = JSON.parse(runCli(["plan", MODEL, "--device", "24GiB", "--json", "--summary"]).out);
      const row = ours.find((each: { options: { device: string } }) => each.options.device === "24GiB");
      expect(row.memory).toEqual(alone.memory);
    },
    SLOW_MS,
  );

  test("exit status 3 when nothing fits, 4 when nothing is known", () => {
    expect(runCli(["compare", MODEL, "--device", "cpu:1MiB"]).status).toBe(3);
    const strange = writeModel({ model_type: "zed", architectures: ["ZedForCausalLM"] });
    expect(runCli(["compare", strange, "--device", "24GiB"]).status).toBe(4);
  });

  test("wrong input: one sentence and a hint", () => {
    const none = runCli(["compare"]);
    expect(none.status).toBe(2);
    expect(none.err).toContain("one MODEL");
    const weights = runCli(["compare", MODEL, "--device", "24GiB", "--weights", "foo"]);
    expect([weights.status, weights.out.includes("foo")]).toEqual([2, true]);
    const device = runCli(["compare", MODEL, "--device", "24GiB,no-such-card"]);
    expect([device.status, device.err.includes("no-such-card"), device.err.includes("hint:")]).toEqual([2, true, true]);
    expect(() => devicesOf(" , ")).toThrow("Cannot compare 0 devices");
    expect(devicesOf("a, b,a")).toEqual(["a", "b"]);
  });
});

describe("the text of a comparison", () => {
  const rows = [
    { result: SLIDING_PLAN, difference: "It keeps all.", asked: { weights: null, options: NO_OPTIONS } },
    {
      result: {
        ...SLIDING_PLAN,
        status: "error",
        command: null,
        error: { code: "usage", message: "Cannot run", hint: null },
      },
      difference: null,
      asked: { weights: null, options: NO_OPTIONS },
    },
  ] as const;

  test("a row, its reason, why they differ, and commands of what runs", () => {
    const text = renderCompare(rows, { styled: false, columns: 80 });
    // 3000 MiB = 2.9 GiB: 2500 of weights, 300 of KV, 200 of the rest.
    expect(text).toMatch(/fits +2\.9 +2\.4 +0\.3 +0\.2/);
    expect(text).toContain("Why they differ\n  llama.cpp: It keeps all.");
    expect(text).toContain("cannot run");
    expect(text).not.toContain("\u001b");
    expect(renderCompare(rows, { styled: true, columns: 80 })).toContain("\u001b[32m");
  });
});
