import { expect, test } from "bun:test";
import { z } from "zod";
import { backendOf } from "../../src/hardware/row-device.ts";
import { DEVICE_ROWS, normalizeName, rowsNamed, rowsReportedAs, VENDORS } from "../../src/hardware/table.ts";

const positive = z.number().positive();
const row = z.object({
  id: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/),
  vendor: z.enum(VENDORS),
  name: z.string().min(1),
  aliases: z.array(z.string().min(1)),
  kind: z.enum(["gpu", "apu", "cpu"]),
  arch: z.string().nullable(),
  memory_gb: z.union([positive, z.array(positive).min(1)]).nullable(),
  memory_type: z.string().nullable(),
  bandwidth_gbps: positive.nullable(),
  confidence: z.enum(["high", "medium"]),
  source: z.string().min(1),
  notes: z.string().optional(),
  gpu_cores: z.number().int().positive().optional(),
  gfx: z.string().optional(),
});

test("every row has the shape that the code trusts", () => {
  expect(z.array(row).min(250).safeParse(DEVICE_ROWS).error?.issues.slice(0, 3)).toBeUndefined();
});

test("ids are unique, sizes ascend, and only system memory may be of any size", () => {
  expect(new Set(DEVICE_ROWS.map((r) => r.id)).size).toBe(DEVICE_ROWS.length);
  for (const r of DEVICE_ROWS) {
    const sizes = Array.isArray(r.memory_gb) ? r.memory_gb : [];
    expect(sizes.toSorted((a, b) => a - b)).toEqual(sizes);
    if (r.memory_gb === null) expect(r.kind).toBe("cpu");
  }
});

test("no name is another row's id", () => {
  for (const r of DEVICE_ROWS) {
    for (const name of [r.name, ...r.aliases]) {
      const [named] = rowsNamed(name);
      if (DEVICE_ROWS.some((other) => other.id === normalizeName(name).replaceAll(" ", "-")))
        expect(named?.id).toBeDefined();
      expect(rowsReportedAs(name)).toContain(r);
    }
  }
});

test.each([
  ["RTX 4090", ["rtx-4090"]],
  ["rtx-4090", ["rtx-4090"]],
  ["nvidia geforce rtx 4070 ti super", ["rtx-4070-ti-super"]],
  ["NVIDIA GeForce RTX 4070", ["rtx-4070"]],
  ["Intel(R) Arc(TM) B580 Graphics", ["arc-b580"]],
  ["intel arc b580 graphics", ["arc-b580"]],
  ["GeForce RTX 3060", ["rtx-3060-8gb", "rtx-3060-12gb"]],
  ["RTX 407", []],
  ["4090", []],
] as const)("%s names %p", (name, ids) => {
  expect(rowsNamed(name).map((r) => r.id)).toEqual([...ids]);
});

test.each([
  ["rtx-4090", "cuda"],
  ["jetson-agx-orin", "cuda"],
  ["rx-7900-xtx", "rocm"],
  ["ryzen-ai-max-plus-395", "rocm"],
  ["radeon-780m-ddr5", "vulkan"],
  ["apple-m4-max-40c", "metal"],
  ["arc-b580", "vulkan"],
  ["snapdragon-x-elite", "vulkan"],
  ["epyc-genoa", "cpu"],
  ["gaudi-3", null],
  ["tenstorrent-n300", null],
] as const)("%s runs on %p", (id, want) => {
  const [found] = rowsNamed(id);
  expect(found === undefined ? "no row" : backendOf(found)).toBe(want);
});
