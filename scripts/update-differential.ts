/**
 * Rewrites tests/goldens/compute/differential.json: how far the compute buffers are from llama.cpp's own accounting, on the
 * sample of the quick suite and, with --long, on the whole grid (minutes). Prints what grew; a person reads the difference and
 * commits it. Needs the engine; update-goldens.ts rewrites the goldens that need none.
 */
import { growth, readGolden, summarise, writeGolden } from "../tests/differential/compute-golden.ts";
import { compareAll } from "../tests/differential/measure.ts";
import { requires } from "../tests/requires.ts";

const long = process.argv.includes("--long");
const missing = requires.engine();
if (missing !== null) throw new Error(`Cannot measure: ${missing}`);
const tell = (line: string): boolean => process.stderr.write(`${line}\n`);

const before = readGolden();
const after = {
  quick: summarise(await compareAll(false, tell)),
  long: long ? summarise(await compareAll(true, tell)) : before.long,
};
writeGolden(after);
const grown = [...growth(before.quick, after.quick), ...growth(before.long, after.long)];
tell(grown.length === 0 ? "no error grew" : grown.join("\n"));
