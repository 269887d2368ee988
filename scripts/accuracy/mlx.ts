/**
 * How right hwLedger is about MLX: parameters and caches beside mlx-lm's own, and peaks that others measured. For
 * docs/accuracy.md; alone (`bun scripts/accuracy/mlx.ts`) it prints its table.
 */
import { MLX_VERSIONS } from "../../src/math/runtime/mlx/modules.ts";
import { askMlx } from "../../tests/math/runtime/mlx/ask.ts";
import { askedModels, type ComparedBytes, compareBytes, questionOf } from "../../tests/math/runtime/mlx/compare.ts";
import { judgePeak, type PeakRow, peakRows } from "../../tests/math/runtime/mlx/peaks.ts";
import { requires } from "../../tests/requires.ts";
import { type Judged, judgedRow } from "./judged.ts";
import { table } from "./table.ts";

const ENGINE = `mlx-lm ${MLX_VERSIONS[0]}`;
/** Most peaks are printed to a tenth of a GB. */
const GRAIN_GB = 0.05;

/** One row for each quantity, for the table of engines and quantities. */
export function mlxJudged(): readonly Judged[] {
  return [...accounts(), peaks("peak, judged", (row) => !row.fit), peaks("peak, rows of the fit", (row) => row.fit)];
}

export function mlxAccuracy(): string[] {
  const judged = peakRows()
    .filter(({ fit }) => !fit)
    .map(judgePeak);
  const inside = judged.filter(({ row, low, high }) => row.peak_gb >= low - GRAIN_GB && row.peak_gb <= high + GRAIN_GB);
  return [
    "## MLX",
    `${ENGINE} builds every published model that it and we know, without computing it: as BF16 and in one of six formats, and a prompt through it. Peaks are \`mx.get_peak_memory()\` as others published it (tests/fixtures/mlx): Apple silicon, heads of 128, one sequence; the fit's rows are apart.`,
    table(mlxJudged().map(judgedRow)),
    `${inside.length} of ${judged.length} judged peaks lie in the range of the answer. Not measured, and so with a wider range: other widths of heads, latent attention, recurrent layers, several sequences, steps below 1,023 tokens, CUDA and CPU.`,
  ];
}

/** Nothing where Python has no mlx-lm. */
function accounts(): readonly Judged[] {
  const missing = requires.mlx();
  if (missing !== null) {
    console.error(`MLX's own account is left out: ${missing}`);
    return [];
  }
  const asked = askedModels();
  const answers = askMlx(asked.map(questionOf));
  const compared = asked.flatMap((one, i) => compareBytes(one, answers[i] ?? { refused: "no answer" }));
  const judged = (what: ComparedBytes["what"]): Judged => ({
    engine: ENGINE,
    quantity: what,
    pairs: compared
      .filter((one) => one.what === what)
      .map(({ name, ours, theirs }) => ({ name, ours, reported: theirs })),
    because: "",
  });
  return [judged("weights"), judged("caches")];
}

function peaks(quantity: string, of: (row: PeakRow) => boolean): Judged {
  const pairs = peakRows()
    .filter(of)
    .map(judgePeak)
    .map(({ row, predicted }) => ({
      name: `${row.model} ${row.weights}, ${row.prompt_tokens} tokens`,
      ours: predicted,
      reported: row.peak_gb,
      grain: GRAIN_GB,
    }));
  const because = "buffers under way differ from run to run, and weigh most in small models";
  return { engine: ENGINE, quantity, pairs, because };
}

if (import.meta.main) console.log(mlxAccuracy().join("\n\n"));
