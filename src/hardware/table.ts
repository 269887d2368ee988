/**
 * The table of devices: what vendors publish. The file is ours and a test holds it to its schema, so it is not checked
 * again at every start.
 */
import table from "./devices.json" with { type: "json" };

export const VENDORS = [
  "nvidia",
  "amd",
  "apple",
  "intel",
  "qualcomm",
  "tenstorrent",
  "aws",
  "ampere",
  "broadcom",
  "generic",
] as const;
export type Vendor = (typeof VENDORS)[number];

export interface DeviceRow {
  readonly id: string;
  readonly vendor: Vendor;
  readonly name: string;
  readonly aliases: readonly string[];
  /** gpu: memory of its own. apu: shares the system's. cpu: is the system's. */
  readonly kind: "gpu" | "apu" | "cpu";
  readonly arch: string | null;
  /** GB as marketed; several where the row stands for several boards or sizes; null where it is the buyer's choice. */
  readonly memory_gb: number | readonly number[] | null;
  readonly memory_type: string | null;
  /** 10^9 bytes per second, theoretical peak. */
  readonly bandwidth_gbps: number | null;
  readonly confidence: "high" | "medium";
  readonly source: string;
  readonly notes?: string;
  /** Apple: cores of the GPU, which tell two chips of one name apart. */
  readonly gpu_cores?: number;
  /** AMD: the compiler's name of the processor. */
  readonly gfx?: string;
}

export const DEVICE_ROWS: readonly DeviceRow[] = table.devices as readonly unknown[] as readonly DeviceRow[];

/** Sizes a row can have, in marketed GB; none where the row names none. */
export function sizesGb(row: DeviceRow): readonly number[] {
  if (row.memory_gb === null) return [];
  return typeof row.memory_gb === "number" ? [row.memory_gb] : row.memory_gb;
}

/** Letters' case, (R), (TM) and doubled spaces say nothing about a device. */
export function normalizeName(name: string): string {
  return name
    .replace(/\((?:r|tm)\)/gi, " ")
    .replace(/[®™]/g, " ")
    .replace(/\s+/g, " ")
    .trim()
    .toLowerCase();
}

interface Index {
  readonly byId: ReadonlyMap<string, DeviceRow>;
  readonly byName: ReadonlyMap<string, readonly DeviceRow[]>;
  readonly byAlias: ReadonlyMap<string, readonly DeviceRow[]>;
}

let index: Index | null = null;

function rowIndex(): Index {
  if (index !== null) return index;
  const byId = new Map<string, DeviceRow>();
  const byName = new Map<string, DeviceRow[]>();
  const byAlias = new Map<string, DeviceRow[]>();
  const add = (map: Map<string, DeviceRow[]>, key: string, row: DeviceRow): void => {
    const rows = map.get(key);
    if (rows === undefined) map.set(key, [row]);
    else if (!rows.includes(row)) rows.push(row);
  };
  for (const row of DEVICE_ROWS) {
    byId.set(row.id, row);
    add(byName, normalizeName(row.name), row);
    for (const alias of row.aliases) add(byAlias, normalizeName(alias), row);
  }
  index = { byId, byName, byAlias };
  return index;
}

/** Rows of exactly this id, else name, else alias; several where boards share a name. Substrings never match: "RTX 4070" is inside "RTX 4070 Ti SUPER". */
export function rowsNamed(asked: string): readonly DeviceRow[] {
  const { byId, byName, byAlias } = rowIndex();
  const key = normalizeName(asked);
  const own = byId.get(key) ?? byId.get(key.replaceAll(" ", "-"));
  if (own !== undefined) return [own];
  return byName.get(key) ?? byAlias.get(key) ?? [];
}

/** Rows that a driver's name may stand for: name and aliases alike, since a driver prints one name for boards of several sizes. */
export function rowsReportedAs(name: string): readonly DeviceRow[] {
  const { byName, byAlias } = rowIndex();
  const key = normalizeName(name);
  return [...new Set([...(byName.get(key) ?? []), ...(byAlias.get(key) ?? [])])];
}

/** All that may be asked for by name, for hints and completion. */
export function knownNames(): readonly string[] {
  return DEVICE_ROWS.flatMap((row) => [row.id, row.name, ...row.aliases]);
}
