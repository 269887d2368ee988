/**
 * Mamba 2 whose time step, B and C are made out of the convolution's output, as plamo 2 has it.
 * @source src/models/plamo2.cpp build_plamo2_mamba_layer at llama.cpp v0.5.0
 */
import type { StateMixer } from "../../../model.ts";
import { type GraphNode, type GraphView, type Source, sizeOf, stridedSize } from "./graph.ts";
import { convolutionInput, gathered, states } from "./state.ts";
import type { LayerContext } from "./step.ts";

export function projectedMamba2(
  at: LayerContext,
  mixer: StateMixer,
  width: number,
  makeInput: () => GraphNode,
): Source {
  const { graph, step } = at;
  const { innerSize: inner, stateSize, heads } = mixer;
  const S = step.sequences;
  const each = step.tokens / S;
  const headDim = inner / heads;
  const byHead = [headDim, heads, each, S];
  const past = gathered(at, "convolution state", mixer.convElements);
  const both = at.matmul("ssm_in", 2 * inner, graph.view(makeInput()), [each, S]);
  const paired = at.op("gate and input", "op", [2 * headDim, heads, each, S], [graph.view(both)]);
  const half = (): GraphView => graph.view(paired, stridedSize(4, heads * step.tokens, 2 * headDim, headDim));
  const input = at.op("input", "op", [inner, each, S], [half()]);
  const joined = convolutionInput(at, mixer, past, inner, graph.view(input));

  const convolved = at.op("convolution", "op", [inner, each, S], [joined, at.weight("ssm_conv1d.weight")]);
  const x = at.op("convolution silu", "in-place", [inner, each, S], [convolved]);
  const rank = at.elements("ssm_dt.weight", 0);
  const columns = rank + 2 * stateSize;
  const small = at.matmul("ssm_x", columns, x, [each, S]);
  const normed = (name: string, length: number): GraphNode =>
    at.norm(name, graph.view(small, stridedSize(4, step.tokens, columns, length)), [length, each, S]);
  const scan = states(at, "state", mixer.stateElements, (rows, ids) => {
    const b = normed("ssm_b_norm", stateSize);
    const c = normed("ssm_c_norm", stateSize);
    const time = at.matmul("ssm_dt", heads, normed("ssm_dt_norm", rank), [each, S]);
    const a = graph.view(at.weight("ssm_a"));
    const elements = inner * step.tokens + mixer.stateElements * S;
    return at.op("scan", "op", [elements], [rows, graph.view(x), time, a, graph.view(b), graph.view(c), ids]);
  });
  at.store("state stored", [graph.view(scan, sizeOf(4, [mixer.stateElements, S]))]);

  const skip = at.op("skip", "in-place", byHead, [graph.view(x), graph.view(at.weight("ssm_d"))]);
  const sum = at.op("scan and skip", "in-place", byHead, [graph.reshape(scan, byHead), skip]);
  const gate = at.op("gate", "op", byHead, [half()]);
  const out = at.op("gated scan", "op", byHead, [gate, sum]);
  return graph.reshape(at.matmul("ssm_out", width, graph.view(out), [each, S]), [width, step.tokens]);
}
