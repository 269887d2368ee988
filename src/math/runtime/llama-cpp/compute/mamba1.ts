/**
 * Mamba 1's mixer as llama.cpp builds it: a time step for each channel, made in a small space.
 * @source src/models/mamba-base.cpp build_mamba_layer at llama.cpp v0.5.0
 */
import type { StateMixer } from "../../../model.ts";
import { type GraphNode, type GraphView, type Source, sizeOf, stridedSize } from "./graph.ts";
import { convolutionInput, gathered, states } from "./state.ts";
import type { LayerContext } from "./step.ts";

export function mamba1(at: LayerContext, mixer: StateMixer, width: number, makeInput: () => GraphNode): Source {
  const { graph, step } = at;
  const { innerSize: inner, stateSize } = mixer;
  const S = step.sequences;
  const each = step.tokens / S;
  const shape = [inner, each, S];
  const past = gathered(at, "convolution state", mixer.convElements);
  const both = at.matmul("ssm_in", 2 * inner, graph.view(makeInput()), [each, S]);
  const half = (): GraphView => graph.view(both, stridedSize(4, step.tokens, 2 * inner, inner));
  const joined = convolutionInput(at, mixer, past, inner, half());

  const convolved = at.biased(
    "ssm_conv1d",
    at.op("convolution", "op", shape, [joined, at.weight("ssm_conv1d.weight")]),
  );
  const x = at.op("convolution silu", "in-place", shape, [convolved]);
  const rank = at.elements("ssm_dt.weight", 0);
  const columns = rank + 2 * stateSize;
  const small = at.matmul("ssm_x", columns, x, [each, S]);
  const slice = (length: number): GraphView => graph.view(small, stridedSize(4, step.tokens, columns, length));
  const scan = states(at, "state", mixer.stateElements, (rows, ids) => {
    const normed = (name: string, length: number, extents: readonly number[]): Source =>
      mixer.stepNormed ? normedSlice(at, name, slice(length), extents) : slice(length);
    const b = normed("ssm_b_norm", stateSize, [stateSize, 1, each, S]);
    const c = normed("ssm_c_norm", stateSize, [stateSize, 1, each, S]);
    const stepIn = mixer.stepNormed
      ? normedSlice(at, "ssm_dt_norm", slice(rank), [rank, each, S])
      : at.op("time step", "op", [rank, each, S], [slice(rank)]);
    const time = at.matmul("ssm_dt", inner, stepIn, [each, S]);
    const elements = inner * step.tokens + mixer.stateElements * S;
    return at.op("scan", "op", [elements], [rows, graph.view(x), time, at.weight("ssm_a"), b, c, ids]);
  });
  at.store("state stored", [graph.view(scan, sizeOf(4, [mixer.stateElements, S]))]);

  const skip = at.op("skip", "in-place", shape, [x, at.weight("ssm_d")]);
  const sum = at.op("scan and skip", "in-place", shape, [graph.reshape(scan, shape), skip]);
  const gate = at.op("gate", "op", shape, [half()]);
  const out = at.op("gated scan", "op", shape, [gate, sum]);
  return graph.reshape(at.matmul("ssm_out", width, out, [each, S]), [width, step.tokens]);
}

/** The norm has a weight in some models only; without, it is not tied to the layer's device. */
function normedSlice(at: LayerContext, name: string, input: GraphView, extents: readonly number[]): GraphNode {
  if (at.has(`${name}.weight`) || at.has(name)) return at.norm(name, input, extents);
  return at.op(`${name} alone`, "in-place", extents, [input]);
}
