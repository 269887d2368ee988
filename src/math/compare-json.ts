import type { ComparedRow } from "./compare.ts";

/** A comparison as the contract's JSON: rows are plans without layers, best first, each with what its engine does otherwise. */
export function compareJson(rows: readonly ComparedRow[]): unknown {
  return {
    schema: "hwledger.compare/1",
    model: rows[0]?.result.model ?? null,
    rows: rows.map(({ result: { schema: _schema, model: _model, ...row }, difference }) => ({ ...row, difference })),
  };
}
