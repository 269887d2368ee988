/** SmolLM2-135M-Instruct Q4_1, loaded by node-llama-cpp on the CPU: what its log prints, and what hwLedger says. */
import { expect } from "bun:test";
import { MIB } from "../../src/math/units.ts";
import { findModel, firstReason, requires, testIf } from "../requires.ts";
import { type LoadOptions, realLoad, roundsTo } from "./real-load.ts";

/** The largest error of the compute buffer today, of its size; the other buffers have none. */
const COMPUTE_ERROR = 0.02;

const LOADS: readonly LoadOptions[] = [
  { context: 2048, ubatch: 512, flashAttention: "on" },
  { context: 1000, ubatch: 256, flashAttention: "off" },
];

for (const options of LOADS) {
  const name = `a real load with context ${options.context}, flash attention ${options.flashAttention}`;
  testIf(
    firstReason(requires.engine(), requires.model()),
    name,
    async () => {
      const { rows, cells } = await realLoad(findModel() ?? "", options);
      expect(cells.ours).toBe(cells.llama ?? -1);
      expect(rows.map(({ buffer }) => buffer.split(" ").at(-1))).toEqual(["model", "KV", "compute", "output"]);
      for (const { buffer, llamaMib, ourBytes } of rows) {
        expect(llamaMib).toBeGreaterThan(0);
        if (buffer.endsWith("compute")) expect(Math.abs(ourBytes / MIB / llamaMib - 1)).toBeLessThan(COMPUTE_ERROR);
        else
          expect([buffer, ourBytes / MIB, llamaMib, roundsTo(ourBytes, llamaMib)]).toEqual([
            buffer,
            ourBytes / MIB,
            llamaMib,
            true,
          ]);
      }
    },
    120_000,
  );
}
