import { expect, test } from "bun:test";
import fc from "fast-check";
import { AppError } from "../../src/errors.ts";
import { machineFromText } from "../../src/hardware/machine-from-text.ts";

const GIB = 2 ** 30;

/** Accelerators as "id memory usable", in GiB. */
function shape(text: string): readonly string[] {
  return machineFromText(text).accelerators.map(
    (d) => `${d.id} ${(d.memoryBytes ?? 0) / GIB} ${d.usableBytes === null ? "?" : (d.usableBytes / GIB).toFixed(2)}`,
  );
}

test.each([
  ["rtx-4090", ["CUDA0 24 23.52"]],
  ["2x rtx-3090", ["CUDA0 24 ?", "CUDA1 24 ?"]],
  ["2x24GiB", ["CUDA0 24 ?", "CUDA1 24 ?"]],
  ["2X 24GiB", ["CUDA0 24 ?", "CUDA1 24 ?"]],
  ["a100-sxm4-80gb+epyc-genoa", ["CUDA0 80 79.25"]],
  ["rtx-3090 + rx-7900-xtx + rtx-3090", ["CUDA0 24 ?", "ROCm0 24 ?", "CUDA1 24 ?"]],
  // 84 % and 81 % of the memory, as Metal said (sources in usable.ts); an M4 Max is sold with 36 GB in another row.
  ["apple-m4-max-40c:128GB", ["MTL0 128 107.52"]],
  ["apple-m4-max-40c:64GiB", ["MTL0 64 51.84"]],
  ["Apple M4 Max:36GB", ["MTL0 36 28.08"]],
  ["AMD RYZEN AI MAX+ 395 w/ Radeon 8060S:128GB", ["ROCm0 128 ?"]],
  ["geforce rtx 3060:12GB", ["CUDA0 12 ?"]],
  ["cpu:64GiB", []],
] as const)("%s", (text, want) => {
  expect(shape(text)).toEqual([...want]);
});

test("a size that a person writes keeps its unit, a marketed one is GiB of chips", () => {
  expect(machineFromText("24GB").accelerators[0]?.memoryBytes).toBe(24_000_000_000);
  expect(machineFromText("24GiB").accelerators[0]?.memoryBytes).toBe(25_769_803_776);
  expect(machineFromText("rtx-3090").accelerators[0]?.memoryBytes).toBe(25_769_803_776);
});

test("a card alone stands in a system whose memory nobody said", () => {
  const { host, unified, here } = machineFromText("rtx-4090");
  expect(host.memoryBytes).toBeNull();
  expect([unified, here]).toEqual([false, false]);
});

test("a host's row brings its bandwidth, and its size when it is said", () => {
  const { host, accelerators } = machineFromText("rtx-3090+epyc-genoa:768GiB");
  expect(accelerators).toHaveLength(1);
  expect(host.memoryBytes).toBe(768 * GIB);
  expect(host.bandwidthBytesPerSecond).toBe(460_800_000_000);
});

test("memory shared with the system is the system's memory", () => {
  const machine = machineFromText("apple-m1-8c:16GB");
  expect(machine.unified).toBe(true);
  expect(machine.host.memoryBytes).toBe(16 * GIB);
});

test("what a driver leaves is a range where nobody has seen it", () => {
  // 92.5 and 99.9 % of 24 GiB
  expect(machineFromText("2x rtx-3090").warnings).toEqual([
    "NVIDIA GeForce RTX 3090: what its driver leaves to programs is not known; other cards leave 22.2 to 24.0 GiB of 24.0 GiB",
  ]);
  expect(machineFromText("rtx-4090").warnings).toEqual([]);
});

test.each([
  ["rtx4090", "usage", "did you mean rtx-4090"],
  ["RTX 3060", "usage", "rtx-3060-12gb"],
  ["geforce rtx 3060", "usage", "write rtx-3060-8gb or rtx-3060-12gb"],
  ["apple-m4-max-40c", "usage", "write apple-m4-max-40c:128GB"],
  ["apple-m4-max-40c:96GB", "usage", "write apple-m4-max-40c:128GB"],
  ["rtx-4090:24", "usage", ""],
  ["24", "usage", "write 24GiB"],
  ["0GiB", "usage", "24GiB"],
  ["cpu", "usage", "write cpu:64GiB"],
  ["cpu:lots", "usage", "write cpu:64GiB"],
  ["2x cpu:64GiB", "usage", ""],
  ["cpu:64GiB+epyc-genoa", "usage", ""],
  ["apple-m1-8c:16GB+rtx-4090", "usage", "apple-m1-8c alone"],
  ["17x rtx-4090", "usage", ""],
  ["0x rtx-4090", "usage", ""],
  ["9x rtx-4090+9x rtx-3090", "usage", ""],
  ["rtx-4090+auto", "usage", ""],
  ["gaudi-3", "unsupported", ""],
  ["", "usage", ""],
  ["+", "usage", ""],
] as const)("%p is refused", (text, code, hint) => {
  let thrown: unknown;
  try {
    machineFromText(text);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(AppError);
  if (!(thrown instanceof AppError)) return;
  expect(thrown.code).toBe(code);
  expect(thrown.message).toStartWith("Cannot ");
  expect(thrown.hint ?? "").toContain(hint);
});

test("any text is a machine or an AppError", () => {
  const words = fc.constantFrom(
    "2x ",
    "rtx-4090",
    "24GiB",
    "+",
    ":",
    "cpu",
    "64GB",
    "apple-m1-8c",
    "auto",
    " ",
    "0",
    "x",
    "GiB",
    "(R)",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words, { maxLength: 8 }).map((w) => w.join("")),
      ),
      (text) => {
        try {
          expect(machineFromText(text).accelerators.length).toBeLessThanOrEqual(16);
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      },
    ),
    { numRuns: 200 },
  );
});
