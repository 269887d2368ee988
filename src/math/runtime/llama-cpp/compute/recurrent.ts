/** Which builder makes a recurrent mixer's graph. */
import type { StateMixer } from "../../../model.ts";
import type { GraphNode, Source } from "./graph.ts";
import { kimiDelta } from "./kda.ts";
import { lightning } from "./lightning.ts";
import { mamba1 } from "./mamba1.ts";
import { projectedMamba2 } from "./mamba2-projected.ts";
import { shortConvolution } from "./short-conv.ts";
import { gatedDelta, mamba2 } from "./state.ts";
import type { LayerContext } from "./step.ts";
import type { GraphTraits } from "./traits.ts";

/** @param makeNorm makes the layer's norm, the mixer's input, when the builder comes to it */
export function recurrent(
  at: LayerContext,
  mixer: StateMixer,
  width: number,
  makeNorm: () => GraphNode,
  traits: GraphTraits,
): Source {
  switch (mixer.algorithm) {
    case "mamba1":
      return mamba1(at, mixer, width, makeNorm);
    case "mamba2":
      return at.has("ssm_x.weight") ? projectedMamba2(at, mixer, width, makeNorm) : mamba2(at, mixer, width, makeNorm);
    case "short-conv":
      return shortConvolution(at, mixer, width, makeNorm);
    case "gated-delta": {
      const norm = makeNorm();
      if (traits.normFirst) at.graph.expand(norm);
      return gatedDelta(at, mixer, width, norm, { repeated: traits.deltaRepeated });
    }
    case "kda":
      return kimiDelta(at, mixer, width, makeNorm());
    case "lightning":
      return lightning(at, mixer, width, makeNorm());
    default:
      throw new RangeError(`Cannot build the graph of ${mixer.algorithm}`);
  }
}
