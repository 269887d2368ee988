/**
 * MLX's `quantization`: bits and group for all, and paths with their own, or false.
 * @source mlx-lm 0.32.2 mlx_lm/utils.py load_model
 */
import { type Block, blockOf, type Module, numberOf, type Rules, UnknownQuantization } from "./quantization.ts";
import type { Scheme } from "./scheme.ts";
import { MLX_MODES, mlxAffine } from "./schemes.ts";

const BITS: ReadonlySet<number> = new Set([2, 3, 4, 5, 6, 8]);
const GROUPS: ReadonlySet<number> = new Set([16, 32, 64, 128]);

export function mlxScheme(block: Block, outer: Block, at: string): Scheme {
  const mode = block.mode ?? outer.mode ?? "affine";
  if (mode === "mxfp4" || mode === "nvfp4" || mode === "mxfp8") return MLX_MODES[mode];
  if (mode !== "affine") throw new UnknownQuantization(`${at}.mode`, mode);
  const whole = { ...outer, ...block };
  return mlxAffine(
    numberOf(whole, "bits", at, (n) => BITS.has(n)),
    numberOf(whole, "group_size", at, (n) => GROUPS.has(n)),
  );
}

const OUTER = new Set(["bits", "group_size", "mode", "quant_method"]);

export function mlxRules(block: Block): Rules {
  const at = "quantization";
  const scheme = mlxScheme(block, {}, at);
  const own = new Map<string, Scheme | null>();
  for (const [path, value] of Object.entries(block)) {
    if (OUTER.has(path)) continue;
    const named = blockOf(value);
    if (value === false) own.set(path, null);
    else if (named !== null) own.set(path, mlxScheme(named, block, `${at}.${path.slice(0, 80)}`));
  }
  const bits = new Set([scheme.bits, ...[...own.values()].flatMap((other) => other?.bits ?? [])]);
  const modes = block.mode === undefined || block.mode === "affine" ? "" : `-${String(block.mode)}`;
  const id =
    modes !== ""
      ? `mlx${modes}`
      : `mlx-${[...bits].toSorted((a, b) => a - b).join("-")}bit-g${String(block.group_size)}`;
  return {
    id,
    method: "mlx",
    schemeOf: ({ names, kind, inSize, plainRouter }: Module) => {
      for (const name of names) {
        for (const path of [name, name.replace(".experts", ".switch_mlp")]) {
          const found = own.get(path);
          if (found !== undefined) return found;
        }
      }
      return kind === "vector" || plainRouter || inSize % scheme.rowMultiple !== 0 ? null : scheme;
    },
  };
}
