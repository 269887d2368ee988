/** The tables of tensors of a model in several safetensors files, as one. */
import { AppError } from "../errors.ts";

export interface TableTensor {
  readonly name: string;
  readonly bytes: number;
}

/** Files read at the same time. */
const PARALLEL = 8;
/** The largest published models come in some two hundred files; each costs a request. */
export const MOST_TABLE_FILES = 300;
const MOST_TENSORS = 2_000_000;

/**
 * @throws {AppError} as `read`; unsupported for more files than any model has, malformed when a tensor is in two of them
 */
export async function readTensorTable(
  paths: readonly string[],
  read: (path: string) => Promise<readonly TableTensor[]>,
): Promise<readonly TableTensor[]> {
  if (paths.length > MOST_TABLE_FILES) {
    throw new AppError(
      "unsupported",
      `Cannot read the tables of ${paths.length} files: ${MOST_TABLE_FILES} are the most`,
    );
  }
  const tensors: TableTensor[] = [];
  const names = new Set<string>();
  for (let from = 0; from < paths.length; from += PARALLEL) {
    const some = paths.slice(from, from + PARALLEL);
    // All settle before the first failure is thrown: no file is left reading behind our back.
    const settled = await Promise.allSettled(some.map((path) => read(path)));
    for (const [i, result] of settled.entries()) {
      if (result.status === "rejected") throw result.reason;
      for (const { name, bytes } of result.value) {
        if (names.has(name)) {
          const shown = JSON.stringify(name.slice(0, 200));
          throw new AppError("malformed", `Cannot read "${some[i]}": the tensor ${shown} is in another file as well`);
        }
        names.add(name);
        tensors.push({ name, bytes });
      }
    }
    if (tensors.length > MOST_TENSORS) {
      throw new AppError("malformed", `Cannot read "${paths[0]}": it has more than ${MOST_TENSORS} tensors`);
    }
  }
  return tensors;
}
