/** SmolLM2-135M-Instruct Q4_1, loaded by node-llama-cpp on the CPU: what its log prints, and what hwLedger says. */
import { expect } from "bun:test";
import { MIB } from "../../src/math/units.ts";
import { findModel, firstReason, requires, testIf } from "../requires.ts";
import { LOADS, realLoad, roundsTo } from "./real-load.ts";

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
        expect([buffer, roundsTo(ourBytes, llamaMib) ? llamaMib : ourBytes / MIB]).toEqual([buffer, llamaMib]);
      }
    },
    120_000,
  );
}
