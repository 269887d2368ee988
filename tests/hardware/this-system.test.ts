import { expect } from "bun:test";
import { runProgram, THIS_SYSTEM } from "../../src/hardware/this-system.ts";
import { requires, testIf } from "../requires.ts";

testIf(requires.program("sh"), "a program's output, and null for one that fails or is not there", async () => {
  expect(await THIS_SYSTEM.run("sh", ["-c", "echo 1"])).toBe("1\n");
  expect(await THIS_SYSTEM.run("sh", ["-c", "echo 1; exit 3"])).toBeNull();
  expect(await THIS_SYSTEM.run("no-such-program-of-any-system", [])).toBeNull();
});

testIf(requires.program("sh"), "a program whose child holds the output open is not waited for", async () => {
  expect(await runProgram("sh", ["-c", "sleep 600 & echo 1"], 200)).toBeNull();
});
