/** What a tensor that the allocator knows by its number is called. */
import type { Assembly } from "./assembly.ts";
import type { Copy } from "./copy.ts";
import { type Extent, type GraphNode, isView, type Phase, rootOf, type Size, sizeOf } from "./graph.ts";
import type { Schedule } from "./schedule.ts";

/** What remains of a schedule once its programs are made. */
export type Made = Pick<Schedule, "assembly" | "copies" | "size">;

export interface Described {
  readonly name: string;
  readonly phase: Phase;
  /** Element bytes and dimensions, where the size is their product and nothing more. */
  readonly shape: readonly Extent[] | null;
}

/** @param tensor ~number: of another step in the pipeline */
export function describe(made: Made, tensor: number): Described {
  const number = tensor < 0 ? ~tensor : tensor;
  const { assembly, copies, size } = made;
  const copy = copies[number - assembly.count];
  if (copy !== undefined) return describeCopy(copy, nodeAt(assembly, copy.from));
  const node = nodeAt(assembly, number);
  if (node === null) return { name: "", phase: "inputs", shape: null };
  const shape = shapeOf(node, assembly.shared.sizes.sizes[size[number] ?? 0]);
  return { name: tensor < 0 ? `${node.name} copy` : node.name, phase: node.phase, shape };
}

/** null for what lies somewhere already. */
function nodeAt({ shared, sites, base }: Assembly, number: number): GraphNode | null {
  let k = sites.length;
  while (k > 0 && (base[k - 1] ?? 0) > number) k--;
  return (k === 0 ? shared.nodes[number] : sites[k - 1]?.part.nodes[number - (base[k - 1] ?? 0)]) ?? null;
}

function shapeOf({ elementBytes, extents }: GraphNode, size: Size | undefined): readonly Extent[] | null {
  const plain = sizeOf(elementBytes, extents);
  const same = size?.fixed === plain.fixed && size.full === plain.full && size.window === plain.window;
  return same ? [elementBytes, ...extents] : null;
}

/** A part knows its input only by what stands for it. */
function describeCopy({ part, source: number, layer }: Copy, from: GraphNode | null): Described {
  const source = part.sources[number];
  const root = from ?? (source === undefined ? null : rootOf(source));
  if (source === undefined || root === null) return { name: "", phase: "inputs", shape: null };
  const ofLayer = root.operation === "leaf" && root.place === "layer" && !root.weight;
  return {
    name: `${root.name}${ofLayer && layer !== null ? `-${layer.index}` : ""}, copied`,
    phase: root.phase,
    shape: isView(source) || root.weight ? null : [root.elementBytes, ...root.extents],
  };
}
