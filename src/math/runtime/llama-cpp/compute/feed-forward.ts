/**
 * Feed-forward blocks as llama.cpp builds them.
 * @source src/llama-graph.cpp build_ffn, build_moe_ffn; src/models/qwen2moe.cpp, qwen35moe.cpp, deepseek2.cpp at v0.5.0
 */
import type { DenseFeedForward, MoeFeedForward } from "../../../model.ts";
import { type GraphNode, type GraphView, type Source, stridedSize } from "./graph.ts";
import type { LayerContext } from "./step.ts";

export interface ExpertTraits {
  /**
   * softmax or sigmoid over all experts, or softmax over those chosen; "late": experts are chosen before the sigmoid, whose
   * result multiplies what goes into them rather than what comes out (llama 4).
   */
  readonly gating: "all" | "chosen" | "late";
  /** The router reads the block's input, or what came into the layer (smallthinker). */
  readonly routedBy: "block" | "layer";
  /** The chosen experts' weights are made to sum up to 1. */
  readonly normalised: boolean;
  /** The shared expert's gate is a sigmoid, or SiLU divided by its input, which is the same with one tensor more. */
  readonly sharedGate: "sigmoid" | "silu";
}

export function dense(
  at: LayerContext,
  width: number,
  feedForward: DenseFeedForward,
  input: GraphNode,
  rows: number,
): GraphNode {
  const F = feedForward.width;
  return gatedUnit(
    at,
    {
      up: "ffn_up",
      gate: "ffn_gate",
      down: "ffn_down",
      inner: F,
      width,
      fused: feedForward.fusedGateUp,
      gated: feedForward.gated,
    },
    input,
    rows,
  );
}

interface Unit {
  readonly up: string;
  readonly gate: string;
  readonly down: string;
  readonly inner: number;
  readonly width: number;
  readonly fused: boolean;
  readonly gated: boolean;
}

function gatedUnit(at: LayerContext, unit: Unit, input: GraphNode, rows: number): GraphNode {
  const { up, gate, down, inner, width, fused, gated } = unit;
  let active: GraphNode;
  if (fused) {
    active = at.op("activation", "op", [inner, rows], [at.matmul(up, 2 * inner, input, [rows])]);
  } else {
    const upper = at.matmul(up, inner, input, [rows]);
    active = gated
      ? at.op("activation", "op", [inner, rows], [at.matmul(gate, inner, input, [rows]), upper])
      : at.op("activation", "in-place", [inner, rows], [upper]);
  }
  return at.matmul(down, width, subNormed(at, "ffn_sub_norm", active, rows), [rows]);
}

/** A norm of what goes into the last matrix of a block, where the layer has one (bitnet). */
export function subNormed(at: LayerContext, name: string, input: Source, rows: number): Source {
  return at.has(`${name}.weight`) ? at.norm(name, input, [at.elements(`${name}.weight`, 0), rows]) : input;
}

export function experts(
  at: LayerContext,
  width: number,
  block: MoeFeedForward,
  input: GraphNode,
  rows: number,
  traits: ExpertTraits,
  layerInput: GraphNode,
): GraphNode {
  const latent = at.elements("ffn_latent_down.weight", 1);
  let routed = routedExperts(at, latent > 0 ? latent : width, block, input, rows, traits, layerInput);
  if (latent > 0) routed = at.matmul("ffn_latent_up", width, routed, [rows]);
  if (block.sharedWidth === 0 || !at.has("ffn_up_shexp.weight")) return routed;
  let shared = gatedUnit(
    at,
    {
      up: "ffn_up_shexp",
      gate: "ffn_gate_shexp",
      down: "ffn_down_shexp",
      inner: block.sharedWidth,
      width,
      fused: false,
      gated: at.has("ffn_gate_shexp.weight"),
    },
    input,
    rows,
  );
  if (block.sharedGated) {
    const gate = at.op("shared gate", "matmul", [1, rows], [at.weight("ffn_gate_inp_shexp.weight"), input]);
    const open = at.op("shared gate open", "in-place", [1, rows], [gate]);
    const factor =
      traits.sharedGate === "sigmoid" ? open : at.op("shared gate quotient", "in-place", [1, rows], [open, gate]);
    shared = at.op("shared gated", "in-place", [width, rows], [shared, factor]);
  }
  return at.op("experts and shared", "in-place", [width, rows], [routed, shared]);
}

/** A dense block and routed experts read the same sum, each through norms of its own; so does the router (gemma 4). */
export function denseAndExperts(
  at: LayerContext,
  width: number,
  block: MoeFeedForward,
  sum: GraphNode,
  rows: number,
  traits: ExpertTraits,
): GraphNode {
  const extents = [width, rows];
  at.graph.phase = "feed-forward";
  const alone = { kind: "dense", width: block.sharedWidth, gated: true, fusedGateUp: false } as const;
  const beside = dense(at, width, alone, at.norm("ffn_norm", sum, extents), rows);
  const first = at.norm("post_ffw_norm_1", beside, extents);
  const normed = at.norm("pre_ffw_norm_2", sum, extents);
  const plain = at.op("router norm", "in-place", extents, [sum]);
  const scaled = at.op("router input scaled", "in-place", extents, [plain]);
  const routed = at.op("router input", "in-place", extents, [scaled, at.weight("ffn_gate_inp.scale")]);
  const second = at.norm("post_ffw_norm_2", routedExperts(at, width, block, normed, rows, traits, routed), extents);
  return at.op("dense and experts", "in-place", extents, [first, second]);
}

/** Of all tokens where the layer's input is read, and then of those that are asked for. */
function routerLogits(at: LayerContext, X: number, rows: number, input: GraphNode): GraphNode {
  const [, tokens = rows] = input.extents;
  const all = typeof tokens === "number" ? tokens : rows;
  const logits = at.biased(
    "ffn_gate_inp",
    at.op("router", "matmul", [X, all], [at.weight("ffn_gate_inp.weight"), input]),
  );
  return all === rows ? logits : at.op("router picked", "get-rows", [X, rows], [logits, at.inputs.outputIds]);
}

/** @param width of the space that experts work in */
function routedExperts(
  at: LayerContext,
  width: number,
  block: MoeFeedForward,
  input: GraphNode,
  rows: number,
  traits: ExpertTraits,
  layerInput: GraphNode,
): GraphNode {
  const { graph } = at;
  const { experts: X, expertsUsed: U, expertWidth: F } = block;
  const logits = routerLogits(at, X, rows, traits.routedBy === "layer" ? layerInput : input);
  const late = traits.gating === "late";
  const odds = traits.gating === "chosen" ? logits : at.op("router odds", "in-place", [X, rows], [logits]);
  const choice = late
    ? logits
    : at.has("exp_probs_b.bias")
      ? at.op("router odds biased", "in-place", [X, rows], [odds, at.weight("exp_probs_b.bias")])
      : odds;
  const sorted = at.op("chosen", "op", [X, rows], [choice], { kind: "sort", bytes: 4 * X * rows });
  const chosen = graph.view(sorted, stridedSize(4, rows, X, U));
  let weights: GraphNode = at.op("weights", "get-rows", [1, U, rows], [graph.view(odds), chosen]);
  let factor: GraphNode | GraphView = weights;
  if (traits.gating === "chosen") {
    weights = at.op("weights softmax", "in-place", [U, rows], [graph.view(weights)]);
    factor = graph.view(weights);
  }
  if (traits.normalised) {
    const sum = at.op("weights sum", "op", [1, rows], [graph.view(weights)]);
    const clamped = at.op("weights sum clamped", "in-place", [1, rows], [sum]);
    factor = graph.view(at.op("weights normalised", "in-place", [U, rows], [graph.view(weights), clamped]));
  }
  graph.expand(factor);

  const latent = at.has("ffn_latent_down.weight");
  let spread: GraphNode | GraphView = graph.view(latent ? at.matmul("ffn_latent_down", width, input, [rows]) : input);
  if (late) {
    const repeated = at.op("input repeated", "op", [width, U, rows], [spread]);
    spread = at.op("input weighted", "in-place", [width, U, rows], [repeated, factor]);
  }
  const scratch = { kind: "experts", experts: X, tokens: rows } as const;
  const each = (name: string, inner: number, from: GraphNode | GraphView): GraphNode => {
    let out = at.op(name, "matmul-id", [inner, U, rows], [at.weight(`${name}.weight`), from, chosen], scratch);
    if (at.has(`${name}.scale`)) {
      const repeated = at.op(`${name} scale`, "op", [1, X, rows], [graph.view(at.weight(`${name}.scale`))]);
      const picked = at.op(`${name} scale picked`, "get-rows", [1, U, rows], [graph.view(repeated), chosen]);
      out = at.op(`${name} scaled`, "in-place", [inner, U, rows], [out, picked]);
    }
    return at.has(`${name}.bias`)
      ? at.op(`${name} biased`, "in-place", out.extents, [out, at.weight(`${name}.bias`), chosen])
      : out;
  };
  let active: GraphNode;
  if (at.has("ffn_gate_up_exps.weight")) {
    const both = graph.view(each("ffn_gate_up_exps", 2 * F, spread));
    active = at.op("activation", "op", [F, U, rows], [both, both]);
  } else {
    const up = each("ffn_up_exps", F, spread);
    active = at.has("ffn_gate_exps.weight")
      ? at.op("activation", "op", [F, U, rows], [each("ffn_gate_exps", F, spread), up])
      : at.op("activation", "in-place", [F, U, rows], [up]);
  }
  const down = each("ffn_down_exps", width, active);
  const weighted = late ? down : at.op("experts weighted", "in-place", [width, U, rows], [down, factor]);
  graph.expand(weighted);
  const parts = Array.from({ length: U }, () => graph.view(weighted));
  let sum: GraphNode | null = null;
  for (let i = 1; i < U; i++) {
    sum = at.op("experts summed", "in-place", [width, rows], [sum ?? parts[0] ?? weighted, parts[i] ?? weighted]);
    graph.expand(sum);
  }
  return sum ?? at.op("experts summed", "op", [width, rows], [graph.view(weighted)]);
}
