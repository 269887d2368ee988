/** Memory limits of control groups, version 2 (memory.max) and 1 (memory.limit_in_bytes). */

export interface CgroupPath {
  readonly version: 1 | 2;
  /** Folder below the hierarchy's mount: "/user.slice/…". */
  readonly path: string;
}

/** /proc/self/cgroup: "0::/path" is version 2, "N:…memory…:/path" version 1's memory controller. */
export function parseSelfCgroup(text: string): readonly CgroupPath[] {
  const paths: CgroupPath[] = [];
  for (const line of text.split("\n")) {
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    const [, id, controllers = "", path = "/"] = match;
    if (id === "0" && controllers === "") paths.push({ version: 2, path });
    else if (controllers.split(",").includes("memory")) paths.push({ version: 1, path });
  }
  return paths;
}

/** The folder and those above it, innermost first: a limit anywhere on the way up holds. */
export function ancestors(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return [...parts.map((_, i) => `/${parts.slice(0, parts.length - i).join("/")}`), ""];
}

/** "max" and version 1's 9223372036854771712 are no limit: null. */
export function parseLimit(text: string): number | null {
  const limit = Number(text.trim());
  return /^\d+$/.test(text.trim()) && Number.isSafeInteger(limit) ? limit : null;
}

/** Bytes of memory.stat that the kernel gives back before it refuses: cached files nobody has used of late. */
export function parseReclaimable(stat: string): number {
  const match = /^(?:total_)?inactive_file (\d{1,15})$/m.exec(stat);
  return match === null ? 0 : Number(match[1]);
}
