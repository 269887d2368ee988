/** What stands at a path, whatever the path is. */
import { type Stats, statSync } from "node:fs";

/** null: nothing that can be read, be it not there, forbidden, a loop of links, or a name that no file can have. */
export function statOrNull(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

export function sizeOf(path: string): number | null {
  const stat = statOrNull(path);
  return stat?.isFile() === true ? stat.size : null;
}
