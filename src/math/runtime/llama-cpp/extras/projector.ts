import type { SideFile } from "../../../extras.ts";
import { formatBytes, formatInteger } from "../../../format.ts";
import { isGgmlType } from "../../../ggml-types.ts";
import { allocatedBytes } from "../../../parts/weights.ts";
import { pad } from "../../../units.ts";
import { ALLOCATION } from "../allocation.ts";
import type { Beside } from "../beside.ts";
import type { Prepared } from "../prepare.ts";
import { partsOf } from "./adapters.ts";

/** The patches of the warm-up picture where its size is not the encoder's own: tokens, each of merged patches. */
const WARMUP_TOKENS: Readonly<Record<string, number>> = {
  qwen2vl_merger: 46 * 46,
  "qwen2.5vl_merger": 46 * 46,
  qwen3vl_merger: 46 * 46,
  gemma4v: 256,
  gemma4uv: 256,
};

/** Frames of 30 s of sound after the encoder's convolution of stride 2. */
const AUDIO_FRAMES = 1500;

interface Tower {
  readonly patches: number;
  readonly width: number;
  readonly feedForward: number;
  readonly heads: number;
}

/**
 * A projector: all its tensors on the first accelerator (else on the host), and the buffer that one picture, or 30 s of
 * sound, takes: between
 *   N · (2·F + 3·E) · 4 B   the feed-forward's, with flash attention, and
 *   N² · H · 4 B + N · 5·E · 4 B   whole scores, without
 * for N patches, width E, F of the feed-forward, H heads. The middle of both is the figure.
 * @source tools/mtmd/clip.cpp alloc_compute_meta, set_warmup_n_tokens, load_tensors@34af94cd9ab277632e27caeec2d41de2fd091b31; no load of it was compared
 */
export function projectorBeside(file: SideFile, prepared: Prepared): Beside {
  const slot = prepared.hostSlot > 0 ? 0 : prepared.hostSlot;
  const rule = ALLOCATION[prepared.slots[slot]?.backend ?? "cpu"];
  const bySlot = new Float64Array(prepared.slots.length);
  for (const { name, shape, type } of file.tensors) {
    if (!isGgmlType(type)) continue;
    const bytes = allocatedBytes({ name, shape, type, role: "other", at: null }, rule);
    bySlot[slot] = (bySlot[slot] ?? 0) + pad(bytes, rule.alignment);
  }
  const towers = ["vision", "audio"].flatMap((kind) => towerOf(file, kind));
  const least = Math.max(
    0,
    ...towers.map(({ patches, width, feedForward }) => patches * (2 * feedForward + 3 * width) * 4),
  );
  const most = Math.max(0, ...towers.map(({ patches, width, heads }) => patches * (patches * heads + 5 * width) * 4));
  const high = Math.max(least, most);
  const mid = Math.round((least + high) / 2);
  const label = `projector ${file.name}`;
  const sizes = towers.map(({ patches }) => `${formatInteger(patches)} patches`).join(", ");
  return {
    label,
    parts: partsOf(label, bySlot),
    explain: () =>
      `Projector ${file.name}: tensors as the file has them (exact); ${sizes === "" ? "its sizes are not in the header, so its buffer is not counted" : `a step of ${sizes}, ${formatBytes(least)} to ${formatBytes(high)} (modelled)`}`,
    at: (there) => {
      const compute = new Float64Array(there.slots.length);
      compute[slot] = mid;
      return {
        kv: null,
        state: null,
        compute,
        output: null,
        ...(mid === 0 ? SURE : { low: least / mid, high: high / mid }),
      };
    },
  };
}

const SURE = { low: 1, high: 1 } as const;

function towerOf({ metadata }: SideFile, kind: string): Tower[] {
  const number = (key: string): number | null => {
    const value = metadata[`clip.${kind}.${key}`];
    return typeof value === "number" ? value : null;
  };
  const width = number("embedding_length");
  const feedForward = number("feed_forward_length");
  const heads = number("attention.head_count");
  if (width === null || feedForward === null || heads === null) return [];
  if (kind === "audio") return [{ patches: AUDIO_FRAMES, width, feedForward, heads }];
  const size = number("image_size");
  const patch = number("patch_size");
  const projector = metadata["clip.projector_type"] ?? metadata["clip.vision.projector_type"];
  const tokens = typeof projector === "string" ? WARMUP_TOKENS[projector] : undefined;
  const merge = number("spatial_merge_size") ?? 2;
  if (tokens !== undefined) return [{ patches: tokens * merge * merge, width, feedForward, heads }];
  if (size === null || patch === null || patch === 0) return [];
  return [{ patches: Math.floor(size / patch) ** 2, width, feedForward, heads }];
}
