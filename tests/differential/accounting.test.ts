/** The engine's own rows for GPU-like devices: splits, partial offload, pools. Every exact part equals them, byte for byte and device for device. */
import { expect, test } from "bun:test";
import { FAMILIES } from "../../src/math/arch/families.ts";
import { ARCHITECTURES } from "../../src/math/arch/index.ts";
import { accountingRows } from "../fixtures/accounting/read.ts";
import { compareRow } from "./accounting.ts";

const COMPARED = accountingRows().map(compareRow);

/** Architectures that the table of families answers for. */
const KNOWN = new Set<string>(FAMILIES.flatMap((id) => ARCHITECTURES[id].ggufArchitectures));

test("weights, caches, states and output of every row of a known family, on every device", () => {
  const compared = COMPARED.filter(({ status }) => status === "compared");
  expect(compared.flatMap(({ id, differences }) => differences.map((difference) => `${id}: ${difference}`))).toEqual(
    [],
  );
  expect(compared.length).toBe(COMPARED.filter(({ architecture }) => KNOWN.has(architecture)).length);
  expect(compared.length).toBeGreaterThanOrEqual(700);
});

test("every other family answers unknown", () => {
  const unknown = COMPARED.filter(({ status }) => status === "unknown");
  expect(unknown.filter(({ architecture }) => KNOWN.has(architecture))).toEqual([]);
});
