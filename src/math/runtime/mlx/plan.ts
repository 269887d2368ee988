import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import type { Basis, OptionValue, Part } from "../../result.ts";
import type { EngineLayers, EnginePlan, EngineRefusal, PartColumns } from "../runtime.ts";
import { largest } from "../search.ts";
import { mlxCommand } from "./command.ts";
import { explainTotals } from "./explain.ts";
import { fits, spare, type Totals, totals } from "./memory.ts";
import { type MlxOptions, MOST_SEQUENCES } from "./options.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { resolveOptions } from "./resolve.ts";

/** @throws {RangeError} when the model's weights are not chosen */
export function planMlx(model: ModelSpec, asked: PlanOptions, machine: Machine): EnginePlan | EngineRefusal {
  const resolution = resolveOptions(model, asked, machine);
  if (resolution.status === "refused") return resolution;
  const { options, module } = resolution;
  const prepared = prepare(model, module, options, machine);
  const load = totals(prepared, options.context, options.sequences);
  // The repository's own weights need no conversion, whatever they are.
  const name = model.weights?.checkpoint == null ? (model.weights?.name ?? "bf16") : "as they are";
  return {
    status: "planned",
    options: describeOptions(options),
    slots: prepared.slots,
    parts: columns(prepared, load),
    total: inFirst(prepared, load.total),
    reserved: inFirst(prepared, options.reserveBytes),
    spare: spare(prepared, load.total),
    low: load.total - load.compute.bytes + load.compute.low,
    high: load.total - load.compute.bytes + load.compute.high,
    basis: basisOf(model, options.sequences),
    layers: layersOf(prepared, load),
    outside: prepared.sizes.outside.map(({ name: tensor, bytes }) => ({ name: tensor, slot: 0, bytes })),
    warnings: [...resolution.warnings, ...warningsOf(prepared, load)],
    limits: () => ({
      maxContext:
        model.contextTrained === null
          ? null
          : largest(1, model.contextTrained, (context) => fits(prepared, totals(prepared, context, options.sequences))),
      maxSequences: largest(1, options.kvBits === null ? MOST_SEQUENCES : 1, (sequences) =>
        fits(prepared, totals(prepared, options.context, sequences)),
      ),
      gpuLayers: null,
    }),
    at: (context) => {
      const there = totals(prepared, context, options.sequences);
      return { parts: columns(prepared, there), total: inFirst(prepared, there.total) };
    },
    command: (source) => mlxCommand(options, source, name),
    explain: () => explainTotals(prepared, load),
  };
}

function inFirst({ slots }: Prepared, bytes: number): Float64Array {
  const column = new Float64Array(slots.length);
  column[0] = bytes;
  return column;
}

function columns(prepared: Prepared, load: Totals): PartColumns {
  return {
    weights_bytes: inFirst(prepared, prepared.sizes.total),
    kv_cache_bytes: inFirst(prepared, load.kv),
    state_bytes: inFirst(prepared, load.state),
    compute_bytes: inFirst(prepared, load.compute.bytes),
    output_bytes: inFirst(prepared, load.output),
    overhead_bytes: inFirst(prepared, 0),
  };
}

function basisOf(model: ModelSpec, sequences: number): Record<Part, Basis> {
  // Several sequences are joined into one cache: its room is known when they begin together, which they seldom do.
  const cache: Basis = sequences > 1 ? "modelled" : "exact";
  return {
    weights_bytes: model.weights?.basis ?? "modelled",
    kv_cache_bytes: cache,
    state_bytes: cache,
    compute_bytes: "modelled",
    output_bytes: "modelled",
    overhead_bytes: "modelled",
  };
}

function layersOf(prepared: Prepared, load: Totals): EngineLayers {
  const { model, layerCaches, layerStates, sizes } = prepared;
  const bytesOf = ({ group, bytesPerToken }: { readonly group: number; readonly bytesPerToken: number }): number =>
    bytesPerToken * (load.cells[group] ?? 0) * load.sequences;
  return {
    weights: sizes.layers,
    kv: Float64Array.from(layerCaches, (caches) => caches.reduce((sum, cache) => sum + bytesOf(cache), 0)),
    state: layerStates.map((bytes) => bytes * load.sequences),
    cells: Float64Array.from(layerCaches, (caches) =>
      caches.reduce((most, { group }) => Math.max(most, (load.cells[group] ?? 0) * load.sequences), 0),
    ),
    slot: new Int16Array(model.layers.length),
    sideCaches: (layer) => (layerCaches[layer] ?? []).filter(({ side }) => side).map(bytesOf),
  };
}

/** mlx-lm says so itself above this share of what Metal recommends. @source mlx-lm 0.32.2 mlx_lm/generate.py wired_limit */
const CLOSE_TO_LIMIT = 0.9;

function warningsOf({ model, slots, sizes, machine }: Prepared, { sequences }: Totals): string[] {
  const warnings: string[] = [];
  const device = slots[0];
  if (model.tensorSource === "file")
    warnings.push(`mlx-lm reads no GGUF file: planned as the same model in ${model.weights?.name ?? "bf16"}.`);
  if (device?.backend === "metal" && device.usableBytes !== null && sizes.total > CLOSE_TO_LIMIT * device.usableBytes)
    warnings.push("The weights are close to what Metal gives one program: mlx-lm warns that it may be slow.");
  if (device !== undefined && device.backend !== "metal")
    warnings.push(`MLX's peaks were measured on Apple's chips alone: on ${device.name} the range is a guess.`);
  if (machine.accelerators.length > 1) warnings.push("mlx-lm runs on the first of the accelerators alone.");
  if (sequences > 1)
    warnings.push("Sequences are taken as equally long and begun together, without mlx_lm.server's prompt cache.");
  return warnings;
}

function describeOptions(options: MlxOptions): Record<string, OptionValue> {
  const plain = options.elementBytes === 4 ? "f32" : "bf16";
  return {
    context: options.context,
    sequences: options.sequences,
    ubatch: options.step,
    kv_type: options.kvBits === null ? plain : `q${options.kvBits}`,
    reserve_bytes: options.reserveBytes,
  };
}
