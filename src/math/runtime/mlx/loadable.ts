import type { ModelSpec } from "../../model.ts";

/** Modules that are named for a model and hold another: the tensors of the file would be missing, or left over. */
const EXPERTS: ReadonlyMap<string, boolean> = new Map([
  ["phixtral", true],
  ["minicpm", false],
]);

/**
 * Why mlx-lm would not load a model although it has a module of that name; null: it would. It takes a file only with
 * exactly the tensors that the module has.
 * @source mlx-lm 0.32.2 mlx_lm/utils.py load_model, mlx_lm/models/{phixtral,minicpm,deepseek_v32}.py
 */
export function whyNotLoaded(model: ModelSpec, module: string): string | null {
  let reason = known.get(model);
  if (reason === undefined) {
    reason = look(model, module);
    known.set(model, reason);
  }
  return reason;
}

/** Kept per model, which has one module. */
const known = new WeakMap<ModelSpec, string | null>();

function look(model: ModelSpec, module: string): string | null {
  if (!model.tiedEmbeddings && !model.outside.some(({ role }) => role === "output"))
    return "mlx-lm generates text, and this model has no head to do it with";
  const routed = model.layers.some((layer) => layer.feedForward.kind === "moe");
  const wanted = EXPERTS.get(module);
  if (wanted !== undefined && wanted !== routed)
    return `mlx-lm takes this for ${module}, which is ${wanted ? "made of" : "without"} experts`;
  const latent = model.layers.filter(({ mixers }) => mixers.some(({ kind }) => kind === "latent"));
  const indexed = latent.filter(({ sideCaches }) => sideCaches.length > 0);
  if (indexed.length > 0 && indexed.length < latent.length)
    return "mlx-lm wants an indexer in every layer, and in this model some share one";
  return null;
}
