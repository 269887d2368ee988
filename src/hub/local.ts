/** The models on this disk, for `models list`: the shared cache of other tools, and a folder that was named. */
import { basename, join } from "node:path";
import { ggufChoices, safetensorsChoice } from "./picker.ts";
import { filesBelow, listSnapshots } from "./shared-cache.ts";

export interface LocalModel {
  /** What to give as MODEL. */
  readonly ref: string;
  readonly format: "gguf" | "safetensors";
  /** "Q4_K_M", "safetensors" */
  readonly name: string;
  /** The folder, or the (first) GGUF file. */
  readonly path: string;
  readonly bytes: number;
  /** null for a file whose origin is not known. */
  readonly hubId: string | null;
  readonly revision: string | null;
  /** Some of its files are not there. */
  readonly incomplete: boolean;
}

/**
 * @param places.sharedCacheDir  with models--org--name folders; null to leave it out
 * @param places.folders         searched below, four folders deep
 */
export function localModels(places: {
  readonly sharedCacheDir: string | null;
  readonly folders: readonly string[];
}): LocalModel[] {
  const cached = places.sharedCacheDir === null ? [] : listSnapshots(places.sharedCacheDir);
  return [
    ...cached.flatMap(({ id, sha, folder }) => modelsIn(folder, { hubId: id, revision: sha })),
    ...places.folders.flatMap((folder) => modelsIn(folder, { hubId: null, revision: null })),
  ];
}

function modelsIn(root: string, origin: Pick<LocalModel, "hubId" | "revision">): LocalModel[] {
  const files = filesBelow(root);
  const ggufs = ggufChoices(files)
    .filter((choice) => choice.role === "model")
    .map((choice): LocalModel => {
      const path = join(root, choice.paths[0] ?? "");
      const { name, bytes, missingParts } = choice;
      return { ref: path, format: "gguf", name, path, bytes, ...origin, incomplete: missingParts > 0 };
    });
  const folders = files
    .filter(({ path }) => basename(path) === "config.json")
    .map(({ path }) => path.slice(0, -"config.json".length));
  const configs = folders.flatMap((below): LocalModel[] => {
    const inside = files
      .filter(({ path }) => path.startsWith(below))
      .map(({ path, size }) => ({ path: path.slice(below.length), size }));
    const choice = safetensorsChoice(inside, null, null);
    if (choice === null) return [];
    const path = join(root, below);
    return [
      {
        ref: origin.hubId !== null && below === "" ? origin.hubId : path,
        format: "safetensors",
        name: "safetensors",
        path,
        bytes: choice.bytes,
        ...origin,
        incomplete: missesParts(choice.paths),
      },
    ];
  });
  return [...ggufs, ...configs];
}

/** `model-00001-of-00003.safetensors`: the names say how many there should be, at least (some count from 00000). */
function missesParts(paths: readonly string[]): boolean {
  return paths.some((path) => {
    const count = /-of-(\d{5})\.safetensors$/.exec(path)?.[1];
    return count !== undefined && Number(count) > paths.length;
  });
}
