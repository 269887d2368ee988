/**
 * Layers whose caches share block tables. All pages come from one pool and are equally large: layers with small pages
 * get more tokens into one, and kinds of layers that are many are cut into groups as large as the smallest kind.
 * @source vLLM v0.33.0 v1/core/kv_cache_planning.py get_kv_cache_groups, unify_kv_cache_spec_page_size,
 *   _get_kv_cache_groups_uniform_page_size; the same rules with stricter pages in v0.12.0 v1/core/kv_cache_utils.py
 */
import type { CacheSpec } from "./specs.ts";

export interface CacheGroup {
  readonly specs: readonly CacheSpec[];
  /** Tokens of one block in this group's layers, 0 for states. */
  readonly block: number;
}

export interface CacheLayout {
  readonly groups: readonly CacheGroup[];
  /** The page that all layers share, where there is more than one group; 0: each has its own. */
  readonly pageBytes: number;
}

export type Grouping =
  | { readonly status: "ok"; readonly layout: CacheLayout }
  | { readonly status: "refused"; readonly reason: string };

/** A kind that has less than this many times the layers of the rarest is not cut: its group is the measure. */
const FEW_MORE = 1.5;

/** @param padsPages whether pages that do not divide the largest are filled up rather than refused */
export function groupCaches(specs: readonly CacheSpec[], padsPages: boolean): Grouping {
  const [first] = specs;
  if (first === undefined) return { status: "ok", layout: { groups: [], pageBytes: 0 } };
  const full = specs.every(({ kind }) => kind === "full");
  if (full || specs.every(({ key }) => key === first.key)) {
    return { status: "ok", layout: { groups: [{ specs, block: first.block }], pageBytes: 0 } };
  }
  const page = specs.reduce((largest, { pageBytes }) => Math.max(largest, pageBytes), 0);
  const kinds = new Map<string, CacheSpec[]>();
  for (const spec of specs) {
    const kind = kinds.get(spec.key);
    if (kind === undefined) kinds.set(spec.key, [spec]);
    else kind.push(spec);
  }
  const counts = [...kinds.values()].map((list) => list.length);
  const least = Math.min(...counts);
  const most = Math.max(...counts);
  const size = most < least * FEW_MORE ? most : least;
  const groups: CacheGroup[] = [];
  for (const list of kinds.values()) {
    const block = blockOf(list[0] ?? first, page, padsPages);
    if (block === null) {
      const small = list[0]?.pageBytes ?? 0;
      return {
        status: "refused",
        reason: `vLLM makes all pages equally large, and ${small} B of layer ${list[0]?.layer ?? 0} do not divide ${page} B`,
      };
    }
    const cut = Math.ceil(list.length / size);
    for (let i = 0; i < cut; i++) groups.push({ specs: list.filter((_, at) => at % cut === i), block });
  }
  return { status: "ok", layout: { groups, pageBytes: page } };
}

function blockOf(spec: CacheSpec, page: number, padsPages: boolean): number | null {
  if (spec.kind === "state") return 0;
  if (page % spec.pageBytes === 0) return spec.block * (page / spec.pageBytes);
  return padsPages ? spec.block : null;
}

/** Tokens that may be computed and not yet settled, for windowed layers. */
export interface Request {
  readonly context: number;
  readonly tokensUnderWay: number;
  /** Pages of a sequence's recurrent states. */
  readonly statePages: (spec: CacheSpec) => number;
}

/**
 * Blocks of one sequence of `context` tokens in one group.
 * full: ⌈context / block⌉; sliding: ⌈min(window - 1 + under way, context) / block⌉ + 1; chunked: the same without the 1s.
 * @source vLLM v0.33.0 v1/kv_cache_interface.py max_admission_blocks_per_request
 */
export function groupBlocks({ specs, block }: CacheGroup, request: Request): number {
  const [spec] = specs;
  if (spec === undefined) return 0;
  const window = spec.window ?? 0;
  const { context, tokensUnderWay } = request;
  switch (spec.kind) {
    case "full":
      return Math.ceil(context / block);
    case "sliding":
      return Math.ceil(Math.min(window - 1 + tokensUnderWay, context) / block) + 1;
    case "chunked":
      return Math.ceil(Math.min(window + tokensUnderWay, context) / block);
    case "state":
      return request.statePages(spec);
    default:
      return spec.kind satisfies never;
  }
}
