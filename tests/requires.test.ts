import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chromiumArgs, enginePackage, findChromium, firstReason, requires } from "./requires.ts";

describe("requires", () => {
  test("answers null exactly when the thing is found", () => {
    const path = findChromium();
    expect(requires.chromium() === null).toBe(path !== null && existsSync(path));
  });

  test("names what is missing and how to supply it", () => {
    expect(requires.program("no-such-program-here")).toBe('the program "no-such-program-here" is not in the PATH');
  });

  test("firstReason keeps the first", () => {
    expect(firstReason(null, "a", "b")).toBe("a");
    expect(firstReason(null, null)).toBeNull();
  });

  test("the engine's package is the one without a foreign GPU back-end", () => {
    expect(enginePackage()).toMatch(/^@node-llama-cpp\/(linux|mac|win)-(x64|arm64)(-metal)?$/);
  });

  test("only root runs a browser without its sandbox", () => {
    expect(chromiumArgs().includes("--no-sandbox")).toBe(process.getuid?.() === 0);
  });
});
