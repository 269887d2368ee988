/** `rocm-smi --showproductname --showmeminfo vram --showbus --json`: sizes in bytes, as text. */
import type { FoundGpu } from "./detected.ts";
import { jsonObject } from "./json-object.ts";

export function parseRocmSmi(text: string): FoundGpu[] {
  const cards = jsonObject(text);
  if (cards === null) return [];
  const gpus: FoundGpu[] = [];
  for (const [key, value] of Object.entries(cards)) {
    if (!/^card\d+$/.test(key) || typeof value !== "object" || value === null) continue;
    const card = new Map(Object.entries(value).map(([name, fact]) => [name.toLowerCase(), String(fact)]));
    const total = wholeBytes(card.get("vram total memory (b)"));
    const used = wholeBytes(card.get("vram total used memory (b)"));
    const series = card.get("card series") ?? "";
    gpus.push({
      vendor: "amd",
      name: series === "" || series === "N/A" ? (card.get("card model") ?? key) : series,
      integrated: false,
      memoryBytes: total,
      usableBytes: total,
      freeBytes: total === null || used === null || used > total ? null : total - used,
      gpuCores: null,
      address: card.get("pci bus")?.toLowerCase() ?? null,
      foundBy: ["rocm-smi"],
      notKnown: [],
    });
  }
  return gpus;
}

function wholeBytes(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return null;
  return Number(text);
}
