import type { SideFile } from "../../../extras.ts";
import { formatBytes, formatInteger } from "../../../format.ts";
import { isGgmlType } from "../../../ggml-types.ts";
import { allocatedBytes } from "../../../parts/weights.ts";
import { pad } from "../../../units.ts";
import { ALLOCATION } from "../allocation.ts";
import type { Beside } from "../beside.ts";
import type { Prepared } from "../prepare.ts";
import { partsOf } from "./adapters.ts";

/** The warm-up picture where it is not of the encoder's own size: its tokens, each of merge x merge patches. */
interface Warmup {
  readonly tokens: number;
  /** Where the file does not say it. */
  readonly merge: number;
}

/** @source tools/mtmd/clip.cpp load_hparams, set_warmup_n_tokens and set_limit_image_tokens, of July 2026 */
const WARMUP: Readonly<Record<string, Warmup>> = {
  qwen2vl_merger: { tokens: 46 * 46, merge: 2 },
  "qwen2.5vl_merger": { tokens: 46 * 46, merge: 2 },
  qwen3vl_merger: { tokens: 46 * 46, merge: 2 },
  glm4v: { tokens: 46 * 46, merge: 2 },
  dots_ocr: { tokens: 46 * 46, merge: 2 },
  hunyuanvl: { tokens: 32 * 32, merge: 2 },
  hunyuanocr: { tokens: 28 * 28, merge: 2 },
  paddleocr: { tokens: 28 * 28, merge: 2 },
  youtuvl: { tokens: 16 * 16, merge: 2 },
  lfm2: { tokens: 16 * 16, merge: 2 },
  gemma4v: { tokens: 16 * 16, merge: 3 },
  pixtral: { tokens: 16 * 16, merge: 1 },
  lightonocr: { tokens: 16 * 16, merge: 1 },
  kimivl: { tokens: 16 * 16, merge: 1 },
  phi4: { tokens: 16 * 16, merge: 1 },
};

/** Frames of 30 s of sound after the encoder's convolution of stride 2. */
const AUDIO_FRAMES = 1500;

interface Tower {
  readonly patches: number;
  readonly width: number;
  readonly feedForward: number;
  readonly heads: number;
}

/** Nobody compared a load with it: shares of the figure that it may be off by. */
const STEP_RANGE = { low: 0.7, high: 1.6 } as const;

/**
 * A projector: all its tensors on the first accelerator (else on the host), and the buffer that one picture, or 30 s of
 * sound, takes:
 *   N · (2·F + 3·E) · 4 B   the feed-forward's, with flash attention
 *   N² · H · 4 B + N · 5·E · 4 B   or, without, whole scores where they are more
 * for N patches, width E, F of the feed-forward, H heads.
 * @source tools/mtmd/clip.cpp alloc_compute_meta, load_tensors, build_attn@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export function projectorBeside(file: SideFile, prepared: Prepared): Beside {
  // The first accelerator, or the host where there is none.
  const slot = 0;
  const rule = ALLOCATION[prepared.slots[slot]?.backend ?? "cpu"];
  const bySlot = new Float64Array(prepared.slots.length);
  for (const { name, shape, type } of file.tensors) {
    if (!isGgmlType(type)) continue;
    const bytes = allocatedBytes({ name, shape, type, role: "other", at: null }, rule);
    bySlot[slot] = (bySlot[slot] ?? 0) + pad(bytes, rule.alignment);
  }
  const towers = ["vision", "audio"].flatMap((kind) => towerOf(file, kind));
  const dense = Math.max(
    0,
    ...towers.map(({ patches, width, feedForward }) => patches * (2 * feedForward + 3 * width) * 4),
  );
  const scores = Math.max(0, ...towers.map(({ patches, width, heads }) => patches * (patches * heads + 5 * width) * 4));
  const label = `projector ${file.name}`;
  const sizes = towers.map(({ patches }) => `${formatInteger(patches)} patches`).join(", ");
  return {
    label,
    parts: partsOf(label, bySlot),
    explain: ({ compute }) =>
      `Projector ${file.name}: tensors as the file has them (exact); ${sizes === "" ? "its sizes are not in the header, so its buffer is not counted" : `a step of ${sizes}, ${formatBytes(compute?.[slot] ?? 0)} (modelled)`}`,
    at: (there, options) => {
      const compute = new Float64Array(there.slots.length);
      compute[slot] = options.flashAttention ? dense : Math.max(dense, scores);
      return { kv: null, state: null, compute, output: null, ...STEP_RANGE };
    },
  };
}

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
  const warmup = typeof projector === "string" ? WARMUP[projector] : undefined;
  if (warmup !== undefined) {
    const merge = number("spatial_merge_size") ?? number("projector.scale_factor") ?? warmup.merge;
    return [{ patches: warmup.tokens * merge * merge, width, feedForward, heads }];
  }
  if (size === null || patch === null || patch === 0) return [];
  return [{ patches: Math.floor(size / patch) ** 2, width, feedForward, heads }];
}
