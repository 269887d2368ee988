import { describe, expect, test } from "bun:test";
import type { Machine } from "../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS } from "../../../../src/math/options.ts";
import { offloadableLayers, placeLayers } from "../../../../src/math/runtime/llama-cpp/placement.ts";
import { resolveOptions } from "../../../../src/math/runtime/llama-cpp/resolve.ts";
import { HOST, type LlamaCppOptions } from "../../../../src/math/runtime/llama-cpp/types.ts";
import { device, machineOf, modelOf } from "./models.ts";

const llama = modelOf("llama-3-8b");
const moe = modelOf("qwen3-30b-a3b");

function optionsOf(model: ModelSpec, machine: Machine, more: Partial<LlamaCppOptions> = {}): LlamaCppOptions {
  const resolution = resolveOptions(model, NO_OPTIONS, machine);
  if (resolution.status !== "ok") throw new Error(resolution.reason);
  return { ...resolution.options, ...more };
}

function place(model: ModelSpec, machine: Machine, more: Partial<LlamaCppOptions> = {}) {
  return placeLayers(model, optionsOf(model, machine, more), machine);
}

describe("which layer goes where", () => {
  test("the output layer is the first to be offloaded", () => {
    const placed = place(llama, machineOf([device("a", 24)]), { gpuLayers: 1 });
    expect(placed.outputDevice).toBe(0);
    expect([...placed.layerDevice]).toEqual(Array(32).fill(HOST));
  });

  test("then layers from the last one down", () => {
    const placed = place(llama, machineOf([device("a", 24)]), { gpuLayers: 5 });
    expect([...placed.layerDevice].flatMap((d, i) => (d === 0 ? [i] : []))).toEqual([28, 29, 30, 31]);
    expect(placed.allOffloaded).toBe(false);
  });

  test("two equal cards: llama.cpp v0.5.0 put layers 0-16 on the first", () => {
    const placed = place(llama, machineOf([device("a", 24), device("b", 24)]));
    expect([...placed.layerDevice].filter((d) => d === 0)).toHaveLength(17);
    expect(placed.layerDevice[16]).toBe(0);
    expect(placed.layerDevice[17]).toBe(1);
    expect(placed.outputDevice).toBe(1);
  });

  test("24 and 48 GiB: a third and two thirds", () => {
    const placed = place(llama, machineOf([device("a", 24), device("b", 48)]));
    expect([...placed.layerDevice].filter((d) => d === 0)).toHaveLength(11);
  });

  test("a card of unknown size gets as much as the other, and full ones share alike", () => {
    const onFirst = (machine: Machine) => [...place(llama, machine).layerDevice].filter((d) => d === 0).length;
    expect(onFirst(machineOf([device("a", 24), device("b", null)]))).toBe(17);
    const full = { ...device("a", 24), freeBytes: 0 };
    expect(onFirst(machineOf([full, full]))).toBe(17);
  });

  test("--split-mode none takes the first card only", () => {
    const placed = place(llama, machineOf([device("a", 24), device("b", 48)]), { splitMode: "none" });
    expect(new Set(placed.layerDevice)).toEqual(new Set([0]));
  });

  test("no accelerator: all stays in system memory", () => {
    const placed = place(llama, machineOf([], 64));
    expect(new Set(placed.layerDevice)).toEqual(new Set([HOST]));
    expect(placed.outputDevice).toBe(HOST);
  });
});

describe("pipeline", () => {
  const two = machineOf([device("a", 24), device("b", 24)]);
  test.each([
    ["two cards, everything offloaded", moe, two, {}, true],
    ["one card", moe, machineOf([device("a", 24)]), {}, false],
    ["a layer left behind", moe, two, { gpuLayers: offloadableLayers(moe) - 1 }, false],
    ["experts in system memory", moe, two, { cpuMoeLayers: 1 }, false],
    ["an override", moe, two, { overrideTensor: [{ pattern: "x", buffer: "CPU" }] }, false],
    ["split by row", moe, two, { splitMode: "row" as const }, false],
  ])("%s", (_, model, machine, more, want) => {
    expect(place(model, machine, more).pipelined).toBe(want);
  });
});

test("--n-cpu-moe keeps the experts of the first layers in system memory, of MoE layers only", () => {
  const machine = machineOf([device("a", 24)]);
  expect([...place(moe, machine, { cpuMoeLayers: 3 }).expertsOnHost].slice(0, 5)).toEqual([1, 1, 1, 0, 0]);
  expect([...place(llama, machine, { cpuMoeLayers: 3 }).expertsOnHost].slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
});
