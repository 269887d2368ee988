/**
 * The gated short convolution as llama.cpp builds it.
 * @source src/models/lfm2.cpp build_shortconv_block at llama.cpp v0.5.0
 */
import type { StateMixer } from "../../../model.ts";
import { type GraphNode, type GraphView, type Source, stridedSize } from "./graph.ts";
import { convolutionInput, gathered } from "./state.ts";
import type { LayerContext } from "./step.ts";

export function shortConvolution(
  at: LayerContext,
  mixer: StateMixer,
  width: number,
  makeInput: () => GraphNode,
): Source {
  const { graph, step } = at;
  const S = step.sequences;
  const each = step.tokens / S;
  const shape = [width, each, S];
  const all = at.matmul("shortconv.in_proj", 3 * width, graph.view(makeInput()), [each, S]);
  const third = (): GraphView => graph.view(all, stridedSize(4, step.tokens, 3 * width, width));
  const gated = at.op("gated input", "in-place", shape, [third(), third()]);
  const past = gathered(at, "convolution state", mixer.convElements);
  const joined = convolutionInput(at, mixer, past, width, graph.view(gated));
  const convolved = at.op("convolution", "op", shape, [joined, at.weight("shortconv.conv.weight")]);
  const out = at.op("gated convolution", "in-place", shape, [third(), convolved]);
  return graph.reshape(at.matmul("shortconv.out_proj", width, out, [each, S]), [width, step.tokens]);
}
