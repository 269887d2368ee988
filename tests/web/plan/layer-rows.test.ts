import { describe, expect, test } from "bun:test";
import { layerRows, rangesOf, rowBytes } from "../../../src/web/plan/layer-rows.ts";
import { type Asked, drawnScene } from "./scenes.ts";

const PLANS: readonly Asked[] = [
  { dump: "llama-3-8b-q4_k_m", device: "rtx-4090" },
  { dump: "gemma3-27b-iq4_xs", device: "2x rtx-3090", options: { context: 65536, sequences: 3 } },
  { dump: "qwen35moe-3.6-35b-a3b-ud-q4_k_m", device: "rtx-4060", options: { cpuMoeLayers: 99 } },
  { dump: "deepseek2-v2-lite-chat-q5_k", device: "cpu:64GiB" },
];

describe("rows of the table", () => {
  test.each(PLANS.map((asked) => [`${asked.dump} on ${asked.device}`, asked] as const))(
    "%s: they add up to the total, to the byte",
    (_, asked) => {
      const scene = drawnScene(asked);
      const rows = layerRows(scene);
      expect(rows.reduce((sum, row) => sum + rowBytes(row), 0)).toBe(scene.result.memory.total_bytes ?? -1);
      // …and by device as well, where no layer lies in two places.
      if (asked.options?.cpuMoeLayers === undefined) {
        scene.result.memory.by_device.forEach((device, slot) => {
          const here = rows.filter((row) => row.slot === slot);
          expect(here.reduce((sum, row) => sum + rowBytes(row), 0)).toBe(device.total_bytes);
        });
      } else {
        expect(rows.filter((row) => row.layers.length > 0).every((row) => row.expertsApart)).toBe(true);
      }
      const layers = rows.flatMap((row) => row.layers).toSorted((a, b) => a - b);
      expect(layers).toEqual(Array.from({ length: scene.drawn.model.layers.length }, (_, i) => i));
    },
  );

  test.each([
    [[0], "0"],
    [[0, 1, 2, 4, 5, 6], "0–2, 4–6"],
    [[0, 2, 4, 6, 8], "0, 2 … 8"],
    [[3, 7, 11], "3, 7, 11"],
    [[], ""],
  ])("%j is %s", (layers, want) => {
    expect(rangesOf(layers)).toBe(want);
  });
});
