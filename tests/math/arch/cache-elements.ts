/** What tests of families look at: elements that one token or one sequence leaves in the caches, by definition. */
import type { ModelSpec, TensorSpec } from "../../../src/math/model.ts";

/** Keys and values of one token, over all layers (a window is not looked at). */
export function cachedElementsPerToken(spec: ModelSpec): number {
  let sum = 0;
  for (const { mixers, kvSharedWith } of spec.layers) {
    for (const mixer of mixers) {
      if (mixer.kind === "state" || kvSharedWith !== null) continue;
      sum +=
        mixer.kind === "latent" ? mixer.kvLoraRank + mixer.ropeDim : mixer.kvHeads * (mixer.headDimK + mixer.headDimV);
    }
  }
  return sum;
}

/** Recurrent state and short convolutions' past of one sequence, over all layers. */
export function stateElements(spec: ModelSpec): number {
  let sum = 0;
  for (const { mixers } of spec.layers) {
    for (const mixer of mixers) if (mixer.kind === "state") sum += mixer.convElements + mixer.stateElements;
  }
  return sum;
}

/** Indexes of the layers that have a mixer of this kind. */
export function layersWith(spec: ModelSpec, kind: string): readonly number[] {
  return spec.layers.filter(({ mixers }) => mixers.some((mixer) => mixer.kind === kind)).map(({ index }) => index);
}

export function tensorsOf(spec: ModelSpec): readonly TensorSpec[] {
  return [spec.outside, ...[...spec.layers, ...spec.mtpLayers].map((layer) => layer.tensors)].flat();
}

/** "name [ne0, ne1]" of every tensor, sorted: lists compare whatever their order. */
export function shapesOf(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): readonly string[] {
  return tensors.map(({ name, shape }) => `${name} [${shape.join(", ")}]`).sort();
}
