/** docs/accuracy.md as text: measurements in, Markdown out. */
import { cpus } from "node:os";
import { MIB } from "../../src/math/units.ts";
import type { AccountingComparison } from "../../tests/differential/accounting.ts";
import type { Comparison } from "../../tests/differential/compare.ts";
import { summaryOf } from "../../tests/differential/compute-golden.ts";
import type { LoadOptions, RealLoad } from "../../tests/differential/real-load.ts";
import type { Subject } from "../../tests/differential/subjects.ts";
import type { Corpus, CorpusCount } from "./corpus.ts";
import { type Row, table } from "./table.ts";

export interface Measured {
  readonly loads: readonly { readonly options: LoadOptions; readonly load: RealLoad }[];
  readonly comparisons: readonly Comparison[];
  readonly subjects: readonly Subject[];
  /** false: only a seeded sample of the grid. */
  readonly wholeGrid: boolean;
  readonly rows: readonly AccountingComparison[];
  readonly corpus: Corpus;
  /** Sections on other engines and older builds, as Markdown. */
  readonly engines: readonly string[];
}

export function accuracyPage(measured: Measured): string {
  return [
    "# Accuracy",
    "Written by `bun scripts/accuracy.ts`, not by hand. llama.cpp v0.5.0 as node-llama-cpp 3.22.1 bundles it, " +
      `on ${cpus()[0]?.model.trim() ?? "an unknown processor"}. Errors are without their sign, of llama.cpp's figure.`,
    ...realLoads(measured),
    ...differential(measured),
    ...accounting(measured.rows),
    ...measured.engines,
    ...corpus(measured.corpus),
    "",
  ].join("\n\n");
}

function realLoads({ loads }: Measured): string[] {
  return [
    "## A real load",
    "SmolLM2-135M-Instruct Q4_1, loaded with node-llama-cpp on the CPU: every buffer that llama.cpp's log prints (to 0.01 MiB), beside `hwledger plan`.",
    ...loads.flatMap(({ options, load }) => [
      `Context ${options.context}, n_ubatch ${options.ubatch}, flash attention ${options.flashAttention}, ${load.cells.llama} cells (hwLedger: ${load.cells.ours}):`,
      table(
        load.rows.map(({ buffer, llamaMib, ourBytes }) => ({
          buffer,
          "llama.cpp, MiB": llamaMib.toFixed(2),
          "hwLedger, MiB": (ourBytes / MIB).toFixed(2),
          "hwLedger, bytes": ourBytes,
        })),
      ),
    ]),
  ];
}

function differential({ comparisons, subjects, wholeGrid }: Measured): string[] {
  const cut = subjects.filter(({ status }) => status === "cut").map(({ name }) => name);
  const unknown = subjects.filter(({ status }) => status === "unknown").map(({ name }) => name);
  const refused = comparisons.filter(({ modelRefused }) => modelRefused !== null);
  const crashed = comparisons.filter((comparison) => comparison.crashed.length > 0);
  const byArchitecture = grouped(comparisons, ({ architecture }) => architecture);
  return [
    "## Beside llama.cpp's own accounting",
    `Headers of published files, and for families that no dump is of those of the accounting rows below, each put to llama.cpp without its weights and to hwLedger with ${
      wholeGrid ? "the whole grid of" : "a seeded sample of the grid of"
    } context, sequences, n_ubatch, flash attention and cache types. Exact parts are the bytes of the weights and of K and V, cells, and MiB of states and output as printed.`,
    table([
      ...[...byArchitecture].map(([architecture, list]) => differentialRow(architecture, list)),
      differentialRow("all", comparisons),
    ]),
    [
      `- cut short, so skipped: ${cut.join(", ") || "none"}`,
      `- of families that hwLedger does not know, and says so: ${unknown.join(", ")}`,
      ...refused.map(({ name, modelRefused }) => `- llama.cpp refuses ${name}: ${modelRefused}`),
      ...crashed.map(
        ({ name, crashed: cases }) => `- llama.cpp aborts on ${name} in ${cases.length} cases, as in \`${cases[0]}\``,
      ),
    ].join("\n"),
  ];
}

function differentialRow(architecture: string, list: readonly Comparison[]): Row {
  const errors = (flash: "on" | "off"): readonly number[] =>
    list.flatMap(({ compute }) => compute.filter((sample) => sample.flashAttention === flash).map(percent));
  return {
    architecture,
    models: list.length,
    "cases with numbers": sum(list, ({ compared }) => compared),
    "refused by both": sum(list, ({ refused }) => refused),
    "exact parts that differ": sum(list, ({ differences }) => differences.length),
    "compute, flash attention": errorText(errors("on")),
    "compute, without": errorText(errors("off")),
  };
}

function accounting(rows: readonly AccountingComparison[]): string[] {
  const compared = rows.filter(({ status }) => status === "compared");
  return [
    "## GPU-like devices, splits and pools",
    `Rows of tests/fixtures/accounting: what llama.cpp allocates on one or two CUDA-like devices, all or some layers offloaded, caches split or pooled. ${compared.length} of ${rows.length} rows are of a family hwLedger knows; the others answer unknown. Exact parts are weights, K and V, states and output on each device, to the byte. Left out of compute on accelerators: a quantized cache under flash attention, which a CUDA device converts inside attention (hwLedger counts it) and the rows' stub does not.`,
    table([
      ...[...grouped(compared, ({ architecture }) => architecture)].map(([name, list]) => accountingRow(name, list)),
      accountingRow("all", compared),
    ]),
  ];
}

function accountingRow(architecture: string, list: readonly AccountingComparison[]): Row {
  const errors = (device: "accelerator" | "host"): readonly number[] =>
    list.flatMap(({ compute }) =>
      compute.filter((sample) => sample.device === device && sample.theirs > 0).map(percent),
    );
  return {
    architecture,
    rows: list.length,
    "exact parts that differ": sum(list, ({ differences }) => differences.length),
    "compute on accelerators": errorText(errors("accelerator")),
    "compute on the host": errorText(errors("host")),
  };
}

function corpus({ configs, dumps }: Corpus): string[] {
  const line = (what: string, { asked, statuses }: CorpusCount): Row => ({
    what,
    asked,
    planned: (statuses.fits ?? 0) + (statuses.does_not_fit ?? 0),
    unknown: statuses.unknown ?? 0,
    error: statuses.error ?? 0,
  });
  const reasons = [...configs.reasons, ...dumps.reasons];
  const unfamiliar = /^hwLedger does not know the architecture "(.*)" \(.*\) yet$/;
  const architectures = new Map<string, number>();
  for (const [reason, count] of reasons) {
    const name = unfamiliar.exec(reason)?.[1];
    if (name !== undefined) architectures.set(name, (architectures.get(name) ?? 0) + count);
  }
  const byCount = [...architectures].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return [
    "## What is answered",
    "`hwledger plan --requests` over every published config.json and every dump of the fixtures, on a CPU with 64 GiB:",
    table([line("config.json", configs), line("GGUF dumps", dumps)]),
    "Where no plan is given, the reason:",
    [
      `- hwLedger does not know the architecture yet: ${byCount.map(([name, count]) => `${name} (${count})`).join(", ")}`,
      ...reasons.filter(([reason]) => !unfamiliar.test(reason)).map(([reason, count]) => `- ${reason} (${count})`),
    ].join("\n"),
  ];
}

function percent({ ours, theirs }: { readonly ours: number; readonly theirs: number }): number {
  return (100 * Math.abs(ours - theirs)) / theirs;
}

function errorText(errors: readonly number[]): string {
  if (errors.length === 0) return "–";
  const { median, p90, max } = summaryOf(errors);
  const exact = errors.filter((error) => error === 0).length;
  return `${exact} of ${errors.length} exact; median ${median} %, 90th ${p90} %, largest ${max} %`;
}

function grouped<T>(list: readonly T[], key: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  return new Map(
    Object.entries(Object.groupBy(list, key))
      .sort()
      .map(([name, items]) => [name, items ?? []]),
  );
}

function sum<T>(list: readonly T[], count: (item: T) => number): number {
  return list.reduce((total, item) => total + count(item), 0);
}
