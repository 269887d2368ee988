/** Elements of a recurrent layer's state on one of several ranks. */
import type { StateMixer } from "../../model.ts";

export interface StateElements {
  /** Of the short convolution's past. */
  readonly conv: number;
  readonly state: number;
}

/**
 * Both are shared by the ranks; groups of mamba 2 that do not divide are copied until each rank has one.
 * @source vLLM v0.33.0 model_executor/layers/mamba/mamba_utils.py MambaStateShapeCalculator; SGLang v0.5.23 srt/configs/mamba_utils.py
 */
export function stateElementsOn(mixer: StateMixer, ranks: number): StateElements {
  const { algorithm, convElements, convKernel, groups, stateSize, stateElements } = mixer;
  const copied =
    algorithm === "mamba2" && groups % ranks !== 0 ? (convKernel - 1) * 2 * (ranks - groups) * stateSize : 0;
  return { conv: (convElements + copied) / ranks, state: stateElements / ranks };
}
