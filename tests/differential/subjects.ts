/**
 * What both are asked about: the dumps of published files, and the headers of fixtures/accounting for families that no dump
 * is of. Which can be asked about, which were cut short, which hwLedger does not know.
 */
import { type JudgeMetadata, judgeMetadata } from "../../src/engines/llama-cpp/judge-metadata.ts";
import type { GgufHeader } from "../../src/math/arch/family.ts";
import { specFromGguf } from "../../src/math/arch/index.ts";
import type { ModelSpec } from "../../src/math/model.ts";
import { accountingRows, headerOf } from "../fixtures/accounting/read.ts";
import { dumpNames, headerFromDump, readDump } from "../fixtures/gguf-dumps.ts";

export type Subject =
  | {
      readonly status: "ok";
      readonly name: string;
      readonly architecture: string;
      readonly spec: ModelSpec;
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
  return dumpNames().map((name) => subjectOf(name, headerFromDump(readDump(name))));
}

/** One of each model whose architecture is none of `covered`, with the file's own types. */
export function accountingSubjects(covered: ReadonlySet<string>): readonly Subject[] {
  const seen = new Set<string>();
  const made: Subject[] = [];
  for (const row of accountingRows()) {
    if (covered.has(row.arch) || seen.has(row.model)) continue;
    seen.add(row.model);
    const subject = subjectOf(`${row.arch} of ${row.model}`, headerOf(row));
    if (subject.status === "ok") made.push(subject);
  }
  return made;
}

function subjectOf(name: string, header: GgufHeader): Subject {
  const { architecture } = header;
  const metadata = judgeMetadata(header);
  if (metadata.status === "incomplete") return { status: "cut", name, architecture, missing: metadata.missing };
  const result = specFromGguf(header);
  if (result.status === "unknown") return { status: "unknown", name, architecture, reason: result.reason };
  return { status: "ok", name, architecture, spec: result.spec, metadata: metadata.pairs };
}
