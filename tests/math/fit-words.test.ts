import { expect, test } from "bun:test";
import { fitWords, inSystemMemory } from "../../src/math/fit-words.ts";
import { SLIDING_PLAN } from "../cli/sliding-plan.ts";

const MIB = 2 ** 20;

function withFree(free: readonly (number | null)[]): typeof SLIDING_PLAN {
  const [device] = SLIDING_PLAN.memory.by_device;
  if (device === undefined) throw new Error("the plan has a device");
  const by_device = free.map((free_bytes, i) => ({ ...device, device: `CUDA${i}`, total_bytes: 1, free_bytes }));
  return { ...SLIDING_PLAN, memory: { ...SLIDING_PLAN.memory, by_device } };
}

test("the fullest device decides, spare or short", () => {
  expect(fitWords(withFree([2048 * MIB, 512 * MIB]))).toBe("512 MiB to spare on CUDA1");
  expect(fitWords(withFree([-2048 * MIB, 512 * MIB]))).toBe("short by 2.0 GiB on CUDA0");
  expect(fitWords(withFree([null]))).toBe("the size of the memory is not known");
});

test("where there is no plan, why", () => {
  expect(fitWords({ ...SLIDING_PLAN, reason: "nobody knows" })).toBe("nobody knows");
  expect(fitWords({ ...SLIDING_PLAN, error: { code: "usage", message: "Cannot", hint: null } })).toBe("Cannot");
});

test("what the accelerators do not hold is said", () => {
  const host = { ...SLIDING_PLAN, devices: [...SLIDING_PLAN.devices, ...SLIDING_PLAN.devices] };
  const layers = SLIDING_PLAN.model.layers ?? 0;
  const at = (options: typeof SLIDING_PLAN.options) => inSystemMemory({ ...host, options });
  expect(at({ gpu_layers: layers - 4 })).toBe(`4 of ${layers} layers`);
  expect(at({ gpu_layers: layers + 1, cpu_moe_layers: 3 })).toBe("experts");
  expect(at({ gpu_layers: layers + 1, override_tensor: [] })).toBeNull();
  expect(at({})).toBeNull();
});
