/**
 * What both are asked about: the dumps of published files, and the headers of fixtures/accounting for families that no dump
 * is of. Which can be asked about, which were cut short, which hwLedger does not know.
 */
import { type JudgeMetadata, judgeMetadata } from "../../src/engines/llama-cpp/judge-metadata.ts";
import type { GgufHeader } from "../../src/math/arch/family.ts";
import { specFromConfig, specFromGguf } from "../../src/math/arch/index.ts";
import type { ModelSpec } from "../../src/math/model.ts";
import { accountingRows, headerOf } from "../fixtures/accounting/read.ts";
import { dumpNames, headerFromDump, readDump } from "../fixtures/gguf-dumps.ts";
import { INVENTED } from "../fixtures/models/invented.ts";
import { publishedModels } from "../fixtures/models/read.ts";
import { convertedHeader } from "./converted.ts";

export type Subject =
  | {
      readonly status: "ok";
      readonly name: string;
      readonly architecture: string;
      readonly spec: ModelSpec;
      /** Draws its sample of the grid and the preset that it is typed as. */
      readonly seed: number;
      readonly metadata: Extract<JudgeMetadata, { status: "ok" }>["pairs"];
    }
  /** Arrays that llama.cpp reads are not in the dump: nobody can answer for it. */
  | {
      readonly status: "cut";
      readonly name: string;
      readonly architecture: string;
      readonly missing: readonly string[];
    }
  | { readonly status: "unknown"; readonly name: string; readonly architecture: string; readonly reason: string };

export function dumpSubjects(): readonly Subject[] {
  return dumpNames().map((name, i) => subjectOf(name, headerFromDump(readDump(name)), i));
}

/** One of each model whose architecture is none of `covered`, with the file's own types. */
export function accountingSubjects(covered: ReadonlySet<string>): readonly Subject[] {
  const seen = new Set<string>();
  const made: Subject[] = [];
  for (const row of accountingRows()) {
    if (covered.has(row.arch) || seen.has(row.model)) continue;
    seen.add(row.model);
    const name = `${row.arch} of ${row.model}`;
    const subject = subjectOf(name, headerOf(row), seedOf(name));
    if (subject.status === "ok") made.push(subject);
  }
  return made;
}

/**
 * Config.json files, published and invented: hwLedger reads the config, llama.cpp the metadata that its converter would write.
 * @param oneEach the first of each architecture, rather than all
 */
export function configSubjects(oneEach: boolean): readonly Subject[] {
  const seen = new Set<string>();
  const made: Subject[] = [];
  for (const { model, config } of [...publishedModels(), ...INVENTED]) {
    const result = specFromConfig(config);
    if (result.status !== "ok") continue;
    const { spec } = result;
    const { architecture } = spec;
    const header = convertedHeader(architecture, config);
    if (header === null || (oneEach && seen.has(architecture))) continue;
    seen.add(architecture);
    const name = `config of ${model}`;
    const metadata = judgeMetadata(header);
    if (metadata.status === "incomplete") made.push({ status: "cut", name, architecture, missing: metadata.missing });
    else made.push({ status: "ok", name, architecture, spec, seed: seedOf(name), metadata: metadata.pairs });
  }
  return made;
}

/** The same for a name whatever else is asked about. */
function seedOf(name: string): number {
  return Bun.hash.crc32(name);
}

function subjectOf(name: string, header: GgufHeader, seed: number): Subject {
  const { architecture } = header;
  const metadata = judgeMetadata(header);
  if (metadata.status === "incomplete") return { status: "cut", name, architecture, missing: metadata.missing };
  const result = specFromGguf(header);
  if (result.status === "unknown") return { status: "unknown", name, architecture, reason: result.reason };
  return { status: "ok", name, architecture, spec: result.spec, seed, metadata: metadata.pairs };
}
