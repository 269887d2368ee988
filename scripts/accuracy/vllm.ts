/**
 * How right hwLedger is about engines whose logs other people left: vLLM's weights, pools and concurrency. For
 * docs/accuracy.md; alone (`bun scripts/accuracy/vllm.ts`) it prints its table.
 */
import { vllmRows } from "../../tests/fixtures/vllm/read.ts";
import { compareVllmRow, type VllmComparison, type VllmQuantity } from "../../tests/math/runtime/vllm/compare-row.ts";
import { type Row, table } from "./table.ts";

const QUANTITIES: readonly VllmQuantity[] = [
  "weights",
  "swap blocks",
  "tokens given the pool",
  "concurrency given the pool",
  "concurrency from nothing",
  "activations",
];

/** Rows that constants were found from; they judge only what holds no such constant. */
const FOUND_FROM = /^v-(?:lp-|vi-020$|kz-011$|kz-012$)/;
const WITHOUT_CONSTANTS: ReadonlySet<VllmQuantity> = new Set([
  "swap blocks",
  "tokens given the pool",
  "concurrency given the pool",
]);

/** Why a row is as far off as it is. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^v-vi-008 weights/, "47 MiB on one of eight GPUs that no tensor explains"],
  [/^v-jh-001 weights/, "towers beside the text model, which its config does not count"],
  [/^v-kz-0(?:29|33|37|45) weights/, "16 MiB that no tensor explains; on an A100 they are not there"],
  [/^v-kz-032 concurrency from nothing/, "the card's total memory is taken from another of its kind"],
  [/^v-lp-001 weights/, "Triton's layout of MXFP4 on Hopper is fitted to another row"],
  [
    /^v-kz-(?:0(?:09|1|2)).* concurrency from nothing/,
    "ROCm: development builds keep up to 2.7 GiB more than later ones",
  ],
  [/ given the pool/, "the log's pool is printed to 0.01 GiB, concurrency to 0.01"],
  [/^v-vi-020/, "a GPU of 22 GiB, whose driver's total the log has to two decimals"],
];

const error = ({ ours, theirs }: VllmComparison): number => Math.abs(ours / theirs - 1);

export function vllmAccuracy(): string[] {
  const rows = vllmRows();
  const compared = rows.flatMap((row) => compareVllmRow(row) ?? []);
  const unanswered = rows.filter((row) => compareVllmRow(row) === null).map(({ id, model }) => `${id} (${model})`);
  const judges = compared.filter(({ row, quantity }) => WITHOUT_CONSTANTS.has(quantity) || !FOUND_FROM.test(row.id));
  const teachers = compared.filter((one) => !judges.includes(one));
  return [
    "## vLLM's logs",
    `${rows.length} start-up logs of vLLM 0.5 to 0.20 that people left in issues and repositories (tests/fixtures/vllm). Whether FlashInfer's sampler was on is not in the logs: it was told from the pool. From nothing: the GPU's total memory and vLLM's share of it, and no other figure of the log.`,
    "Rows that no constant was found from:",
    table(QUANTITIES.flatMap((quantity) => summary(quantity, judges))),
    "Rows that constants were found from:",
    table(QUANTITIES.flatMap((quantity) => summary(quantity, teachers))),
    `Not answered: ${unanswered.join(", ") || "none"}.`,
  ];
}

/** On NVIDIA GPUs and on others apart, where both are. */
function summary(quantity: VllmQuantity, all: readonly VllmComparison[]): Row[] {
  const list = all.filter((one) => one.quantity === quantity);
  const amd = list.filter(({ row }) => row.devices?.includes("AMD") === true);
  const rest = list.filter((one) => !amd.includes(one));
  return [
    ...(rest.length > 0 ? [line("vLLM", quantity, rest)] : []),
    ...(amd.length > 0 ? [line("vLLM, ROCm", quantity, amd)] : []),
  ];
}

function line(engine: string, quantity: string, list: readonly VllmComparison[]): Row {
  const sorted = list.toSorted((a, b) => error(a) - error(b));
  const at = (share: number): string => percent(sorted[Math.ceil(share * sorted.length) - 1]);
  const worst = sorted.at(-1);
  return {
    engine,
    quantity,
    rows: list.length,
    exact: list.filter(isExact).length,
    median: at(0.5),
    "90th percentile": at(0.9),
    worst: worst === undefined ? "" : `${percent(worst)} ${worst.row.id}${reasonOf(worst)}`,
  };
}

/** As the log prints it. */
function isExact({ ours, theirs }: VllmComparison): boolean {
  const [, decimals = ""] = String(theirs).split(".");
  return ours.toFixed(decimals.length) === theirs.toFixed(decimals.length);
}

function reasonOf({ row, quantity }: VllmComparison): string {
  const reason = REASONS.find(([pattern]) => pattern.test(`${row.id} ${quantity}`))?.[1];
  return reason === undefined ? "" : `: ${reason}`;
}

function percent(one: VllmComparison | undefined): string {
  return one === undefined ? "" : `${(error(one) * 100).toFixed(3)} %`;
}

if (import.meta.main) console.log(vllmAccuracy().join("\n\n"));
