/** Works out the goldens anew, says what changed, and writes them: bun scripts/update-goldens.ts */
import { compareAll, type Summary, summarize } from "../tests/math/runtime/llama-cpp/compute/accounting.ts";

const path = `${import.meta.dir}/../tests/goldens/compute/accounting.json`;
const file = Bun.file(path);
const before: Record<string, Summary> = (await file.exists()) ? await file.json() : {};
const now = summarize(compareAll());

let changes = 0;
for (const key of [...new Set([...Object.keys(before), ...Object.keys(now)])].sort()) {
  const was = JSON.stringify(before[key] ?? null);
  const is = JSON.stringify(now[key] ?? null);
  if (was === is) continue;
  changes++;
  console.log(`${key}\n  was ${was}\n  is  ${is}`);
}
await Bun.write(path, `${JSON.stringify(now, null, 2)}\n`);
const all = Object.values(now);
const rows = all.reduce((sum, s) => sum + s.rows, 0);
const exact = all.reduce((sum, s) => sum + s.exact, 0);
console.log(
  `compute buffers: ${exact} of ${rows} within 0.01 %, ${changes} groups changed, written to tests/goldens/compute/accounting.json`,
);
