/** macOS: system_profiler's JSON, sysctl and vm_stat. */
import { jsonObject } from "./json-object.ts";

export interface MacDisplay {
  readonly name: string;
  readonly cores: number | null;
  /** Apple silicon, not a card in an Intel Mac. */
  readonly apple: boolean;
  /** A card's own memory; null for memory shared with the system. */
  readonly vramBytes: number | null;
}

/** `system_profiler SPDisplaysDataType -json` */
export function parseDisplays(text: string): MacDisplay[] {
  const items = jsonObject(text)?.SPDisplaysDataType;
  if (!Array.isArray(items)) return [];
  return items.flatMap((item: unknown) => {
    if (typeof item !== "object" || item === null) return [];
    const fact = (name: string): string => String((item as Readonly<Record<string, unknown>>)[name] ?? "");
    const name = fact("sppci_model") || fact("_name");
    if (name === "") return [];
    const cores = Number(fact("sppci_cores"));
    return [
      {
        name,
        cores: Number.isSafeInteger(cores) && cores > 0 ? cores : null,
        apple: /apple/i.test(fact("spdisplays_vendor")) || name.startsWith("Apple "),
        vramBytes: vram(fact("spdisplays_vram") || fact("_spdisplays_vram")),
      },
    ];
  });
}

/** "8 GB", "1536 MB": chips, so powers of two. */
function vram(text: string): number | null {
  const match = /^(\d{1,6}) (MB|GB)$/.exec(text);
  return match === null ? null : Number(match[1]) * (match[2] === "GB" ? 2 ** 30 : 2 ** 20);
}

/** `sysctl hw.memsize iogpu.wired_limit_mb machdep.cpu.brand_string`: "name: value" a line; a name unknown to the system has no line. */
export function parseSysctl(text: string): ReadonlyMap<string, string> {
  const facts = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([a-z0-9_.]+): (.*)$/i.exec(line);
    if (match !== null) facts.set(match[1] ?? "", match[2] ?? "");
  }
  return facts;
}

/**
 * Bytes that can be had without swapping: free, speculative and inactive pages.
 * @source psutil's virtual_memory().available on macOS (free_count counts speculative pages, which vm_stat prints apart)
 */
export function parseVmStat(text: string): number | null {
  const page = /page size of (\d{4,6}) bytes/.exec(text);
  const free = pages(text, "Pages free");
  const inactive = pages(text, "Pages inactive");
  if (page === null || free === null || inactive === null) return null;
  return (free + inactive + (pages(text, "Pages speculative") ?? 0)) * Number(page[1]);
}

function pages(text: string, name: string): number | null {
  const match = new RegExp(`^${name}:\\s+(\\d{1,12})\\.`, "m").exec(text);
  return match === null ? null : Number(match[1]);
}
