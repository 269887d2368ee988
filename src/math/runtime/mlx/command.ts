import { shellWord } from "../shell.ts";
import { DECODES_AT_ONCE, DEFAULT_STEP, type MlxOptions, PROMPTS_AT_ONCE } from "./options.ts";

/** Where the weights come from: a repository of the hub, a folder here, or nothing that is known. */
export interface CommandModel {
  readonly id: string | null;
  readonly source: string | null;
  readonly file: string | null;
}

/**
 * The command line that runs this plan: mlx_lm.generate for one sequence, mlx_lm.server for several. MLX has no context to
 * set; it grows with the text. Weights that the repository does not have are converted first.
 */
export function mlxCommand(options: MlxOptions, { id, file }: CommandModel, weights: string): string {
  const path = id ?? file ?? "model";
  const bare = (path.split("/").at(-1) ?? path).replace(/\.gguf$/, "");
  const how = /mlx/i.test(path) ? null : conversion(weights);
  const converted = `${bare}-${weights}`;
  const args = ["--model", how === null ? path : converted];
  if (options.step !== DEFAULT_STEP) args.push("--prefill-step-size", String(options.step));
  if (options.kvBits !== null) args.push("--kv-bits", String(options.kvBits), "--quantized-kv-start", "0");
  const several = options.sequences > 1;
  if (options.sequences > DECODES_AT_ONCE) args.push("--decode-concurrency", String(options.sequences));
  if (several && options.sequences < PROMPTS_AT_ONCE) args.push("--prompt-concurrency", String(options.sequences));
  const run = [several ? "mlx_lm.server" : "mlx_lm.generate", ...args.map(shellWord)];
  if (!several) run.push("--prompt", "-");
  if (how === null) return run.join(" ");
  const convert = ["mlx_lm.convert", "--hf-path", shellWord(path), "--mlx-path", shellWord(converted), "-q", ...how];
  return `${convert.join(" ")} && ${run.join(" ")}`;
}

/** mlx_lm.convert's arguments for a format; null: it needs no conversion. @source mlx-lm 0.32.2 mlx_lm/convert.py */
function conversion(weights: string): readonly string[] | null {
  const affine = /^mlx-(\d)bit(?:-g(\d+))?$/.exec(weights);
  if (affine !== null) return ["--q-bits", affine[1] ?? "4", "--q-group-size", affine[2] ?? "64"];
  const mixed = /^mlx-mixed-(\d)-(\d)$/.exec(weights);
  if (mixed !== null) return ["--quant-predicate", `mixed_${mixed[1]}_${mixed[2]}`];
  const mode = /^mlx-((?:mx|nv)fp[48])$/.exec(weights);
  return mode === null ? null : ["--q-mode", mode[1] ?? ""];
}
