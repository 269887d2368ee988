/** How right hwLedger is about older llama.cpp builds: caches and compute buffers beside what their logs printed. */
import { MIB } from "../../src/math/units.ts";
import type { LoadLog } from "../../tests/fixtures/load-logs/read.ts";
import { knownLogs, kvOfLog, planOfLog, sum } from "../../tests/math/runtime/llama-cpp/logs.ts";
import { type Judged, judgedRow, type Pair } from "./judged.ts";
import { table } from "./table.ts";

const PRINTED_MIB = 0.005;

export function loadLogAccuracy(): string[] {
  const logs = knownLogs();
  return [
    "## Logs of older llama.cpp builds",
    `${logs.length} loads that people left in issues (tests/fixtures/load-logs), of builds ${builds(logs)}, whose model's family is known. Logs print MiB to two decimals. Graphs changed from build to build, and buffers are worked out by the newest: the answer's range for them was chosen with these rows in view.`,
    table([caches(logs), computes(logs)].map(judgedRow)),
  ];
}

function builds(logs: readonly LoadLog[]): string {
  const numbers = logs.map(({ version }) => Number(version?.slice(1))).filter((build) => build > 0);
  return `b${Math.min(...numbers)} to b${Math.max(...numbers)}`;
}

function caches(logs: readonly LoadLog[]): Judged {
  const pairs = logs.flatMap((log): Pair[] => {
    const reported = log.measured.kv_mib ?? 0;
    return reported > 0
      ? [{ name: log.id, ours: kvOfLog(planOfLog(log), log) / MIB, reported, grain: PRINTED_MIB }]
      : [];
  });
  return { engine: "llama.cpp", quantity: "KV", pairs, because: "" };
}

function computes(logs: readonly LoadLog[]): Judged {
  const pairs = logs.flatMap((log): Pair[] => {
    const printed = Object.values(log.measured.compute_buffer_mib ?? {}).reduce((all, mib) => all + mib, 0);
    const ours = sum(planOfLog(log).parts.compute_bytes) / MIB;
    return printed > 0 && log.cmd === undefined ? [{ name: log.id, ours, reported: printed, grain: PRINTED_MIB }] : [];
  });
  return { engine: "llama.cpp", quantity: "compute buffers", pairs, because: "an older graph" };
}

if (import.meta.main) console.log(loadLogAccuracy().join("\n\n"));
