import { expect } from "bun:test";
import { join } from "node:path";
import { testIf } from "../../requires.ts";

const MODULE = join(import.meta.dir, "../../../src/engines/process/no-core-dump.ts");

testIf(
  process.platform === "linux" ? null : "/proc/self/limits is Linux's",
  "a process that asked for none leaves no core dump",
  () => {
    const script = `import { noCoreDump } from ${JSON.stringify(MODULE)}; noCoreDump();
      console.log(require("node:fs").readFileSync("/proc/self/limits", "utf8"));`;
    const { stdout } = Bun.spawnSync([process.execPath, "-e", script]);
    // soft and hard limit
    expect(stdout.toString()).toMatch(/^Max core file size +0 +0 +bytes/m);
  },
);
