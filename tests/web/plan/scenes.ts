/** Plans to draw: published models on devices of the table. */
import { machineFromText } from "../../../src/hardware/machine-from-text.ts";
import { specFromGguf } from "../../../src/math/arch/index.ts";
import type { SpecResult } from "../../../src/math/model.ts";
import { NO_OPTIONS, type PlanOptions } from "../../../src/math/options.ts";
import type { PlanInput } from "../../../src/math/plan-input.ts";
import { type DrawnScene, isDrawn, sceneOf } from "../../../src/web/plan/scene.ts";
import { headerFromDump, readDump } from "../../fixtures/gguf-dumps.ts";

export interface Asked {
  readonly dump: string;
  readonly device: string;
  readonly weights?: string | null;
  readonly options?: Partial<PlanOptions>;
}

export function specOfDump(dump: string): SpecResult {
  return specFromGguf(headerFromDump(readDump(dump)));
}

export function inputFor({ dump, device, weights = null, options = {} }: Asked): PlanInput {
  return {
    subject: {
      id: dump,
      source: "file",
      revision: null,
      file: `${dump}.gguf`,
      downloadBytes: 0,
      spec: specOfDump(dump),
      choices: [],
      warnings: [],
    },
    weights,
    engine: "llama.cpp",
    engineVersion: null,
    device,
    options: { ...NO_OPTIONS, ...options },
    machine: machineFromText(device),
    summary: false,
  };
}

export function drawnScene(asked: Asked): DrawnScene {
  const scene = sceneOf(inputFor(asked));
  if (isDrawn(scene)) return scene;
  throw new Error(
    `${asked.dump} on ${asked.device}: ${scene.result.reason ?? scene.result.error?.message ?? "not drawn"}`,
  );
}
