/** Run as a process by tests/cli/main.test.ts: one line of JSON words at a time through main(), each followed by its exit status. */
import { main } from "../../src/cli/main.ts";

for (const line of (await Bun.stdin.text()).split("\n")) {
  if (line === "") continue;
  const words = JSON.parse(line) as string[];
  process.stderr.write(`\n== ${await main(words)}\n`);
}
process.exit(0);
