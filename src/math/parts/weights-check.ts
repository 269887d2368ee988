import { GGML_TYPES } from "../ggml-types.ts";
import type { ModelSpec, TensorSpec } from "../model.ts";

/** Whether a model's weights can be sized; when not, which tensors stand in the way. */
export type WeightsCheck =
  | { readonly status: "ok" }
  | { readonly status: "unknown"; readonly reason: string; readonly missing: readonly string[] };

/** All tensors of a model, outside ones first, then layer by layer, MTP blocks last. */
export function* tensorsOf(spec: ModelSpec): Generator<TensorSpec> {
  yield* spec.outside;
  for (const layer of spec.layers) yield* layer.tensors;
  for (const layer of spec.mtpLayers) yield* layer.tensors;
}

/** Ask before sizing: the functions of weights.ts throw where this answers. */
export function checkTyped(spec: ModelSpec): WeightsCheck {
  const untyped: string[] = [];
  const uneven: string[] = [];
  for (const { name, type, shape } of tensorsOf(spec)) {
    if (type === null) untyped.push(name);
    else if ((shape[0] ?? 1) % GGML_TYPES[type].blockElements !== 0) uneven.push(name);
  }
  if (untyped.length > 0) {
    return {
      status: "unknown",
      reason: `${untyped.length} tensors have no type (first: "${untyped[0]}"): the weights have not been chosen`,
      missing: untyped,
    };
  }
  if (uneven.length > 0) {
    return {
      status: "unknown",
      reason: `${uneven.length} tensors have rows that are no whole number of their type's blocks (first: "${uneven[0]}")`,
      missing: uneven,
    };
  }
  return { status: "ok" };
}
