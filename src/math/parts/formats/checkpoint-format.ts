/** A repository's own format as a WeightFormat. */
import { layerOf } from "../../arch/roles.ts";
import { type CheckpointFormat, FLOAT_BYTES } from "./checkpoint.ts";
import type { WeightFormat } from "./format.ts";
import { formatOfRecipe } from "./recipe.ts";

const made = new WeakMap<CheckpointFormat, WeightFormat>();

export function formatOfCheckpoint(checkpoint: CheckpointFormat): WeightFormat {
  let format = made.get(checkpoint);
  if (format === undefined) {
    const { id, method, float, schemes, layers, outside } = checkpoint;
    const single = schemes.map((scheme) => [scheme]);
    format = formatOfRecipe({
      id,
      method,
      basis: "modelled",
      floatBytes: FLOAT_BYTES[float],
      schemesOf: (_, { name }) => {
        const layer = layerOf(name);
        const letter = layer === null ? outside[name] : layers[name.slice(name.indexOf(".", 4) + 1)]?.[layer];
        return letter === undefined ? [] : (single[letter.charCodeAt(0) - A] ?? []);
      },
    });
    made.set(checkpoint, format);
  }
  return format;
}

const A = 97;
