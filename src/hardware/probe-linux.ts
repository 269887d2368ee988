/** Linux: the kernel's files first, since they cost nothing; a driver's tool only where its card is. WSL is one of them. */
import type { Found, FoundGpu, FoundHost, System } from "./detected.ts";
import { ancestors, parseLimit, parseReclaimable, parseSelfCgroup } from "./parse-cgroup.ts";
import { type PciDisplay, parseLspci } from "./parse-lspci.ts";
import { parseCpuName, parseMeminfo } from "./parse-meminfo.ts";
import { parseRocmSmi } from "./parse-rocm-smi.ts";
import { probeNvidia } from "./probe-nvidia.ts";

/** Graphics inside AMD's processors, by the codename lspci prints. */
const AMD_INTEGRATED =
  /\b(Strix|Strix Halo|Krackan|Phoenix\d?|HawkPoint\d?|Rembrandt|Raphael|Granite Ridge|Cezanne|Barcelo|Lucienne|Renoir|Mendocino|Van ?Gogh|Picasso|Raven(?: Ridge)?\d?|Dragon Range)\b/i;

/** The slot of graphics inside Intel's processors. @source Linux drivers/gpu/drm/i915, always device 2 of bus 0 */
const INTEL_INTEGRATED = "0000:00:02.0";

export async function probeLinux(system: System, cudaVisible: string | null): Promise<Found> {
  const [cards, wsl, host] = await Promise.all([drmCards(system), isWsl(system), probeHost(system)]);
  const has = (vendorId: string): boolean => cards.some((card) => card.vendorId === vendorId);
  const [nvidia, rocm, pci] = await Promise.all([
    // Its cards need no DRM node (containers, headless servers, WSL), so its own device file or tool decides.
    probeNvidia(system, cudaVisible, wsl ? ["nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi"] : ["nvidia-smi"]),
    has("1002") ? system.run("rocm-smi", ["--showproductname", "--showmeminfo", "vram", "--showbus", "--json"]) : null,
    has("1002") || has("8086") ? system.run("lspci", ["-Dnnmm"]) : null,
  ]);
  const names = pci === null ? [] : parseLspci(pci);
  const amd = await amdGpus(system, cards, rocm === null ? [] : parseRocmSmi(rocm), names);
  const intel = await intelGpus(system, cards, names);
  const notes: string[] = [];
  if (has("10de") && nvidia.length === 0 && cudaVisible === null) {
    notes.push("an NVIDIA card is here, but nvidia-smi does not answer: is its driver installed?");
  }
  if (cudaVisible !== null)
    notes.push(`CUDA_VISIBLE_DEVICES is "${cudaVisible}": only those NVIDIA devices are planned for`);
  return { platform: wsl ? "linux (WSL)" : "linux", gpus: [...nvidia, ...amd, ...intel], host, notes };
}

interface DrmCard {
  readonly path: string;
  readonly vendorId: string;
  readonly address: string | null;
}

async function drmCards(system: System): Promise<DrmCard[]> {
  const names = (await system.list("/sys/class/drm")).filter((name) => /^card\d+$/.test(name));
  const cards = await Promise.all(
    names.sort(byNumber).map(async (name) => {
      const path = `/sys/class/drm/${name}/device`;
      const [vendor, target] = await Promise.all([system.read(`${path}/vendor`), system.resolve(path)]);
      const address = /([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/.exec(target ?? "")?.[1] ?? null;
      return { path, vendorId: (vendor ?? "").trim().replace(/^0x/, ""), address };
    }),
  );
  return cards.filter((card) => card.vendorId !== "");
}

function byNumber(a: string, b: string): number {
  return Number(a.slice("card".length)) - Number(b.slice("card".length));
}

async function amdGpus(
  system: System,
  cards: readonly DrmCard[],
  rocm: readonly FoundGpu[],
  names: readonly PciDisplay[],
): Promise<FoundGpu[]> {
  return await Promise.all(
    cards
      .filter((card) => card.vendorId === "1002")
      .map(async (card) => {
        const read = (file: string): Promise<number | null> => readBytes(system, `${card.path}/${file}`);
        const [vram, vramUsed, gtt, gttUsed, product] = await Promise.all([
          read("mem_info_vram_total"),
          read("mem_info_vram_used"),
          read("mem_info_gtt_total"),
          read("mem_info_gtt_used"),
          system.read(`${card.path}/product_name`),
        ]);
        const pci = names.find((p) => p.address === card.address);
        const tool = rocm.find((gpu) => gpu.address !== null && gpu.address === card.address);
        const productName = product?.trim() ?? "";
        const name = tool?.name ?? (productName === "" ? (pci?.name ?? "AMD GPU") : productName);
        const integrated = AMD_INTEGRATED.test(pci?.codename ?? "") || AMD_INTEGRATED.test(pci?.name ?? "");
        // Inside a processor both the carve-out and the pages the kernel lends (GTT) are the system's memory.
        const total = integrated ? sum(vram, gtt) : vram;
        const used = integrated ? sum(vramUsed, gttUsed) : vramUsed;
        return {
          vendor: "amd" as const,
          name,
          integrated,
          memoryBytes: total,
          usableBytes: total,
          freeBytes: total === null || used === null || used > total ? null : total - used,
          gpuCores: null,
          address: card.address,
          foundBy: [
            "amdgpu in /sys/class/drm",
            ...(tool === undefined ? [] : ["rocm-smi"]),
            ...(pci === undefined ? [] : ["lspci"]),
          ],
          notKnown: name === "AMD GPU" ? ["its name: neither rocm-smi nor lspci answers"] : [],
        };
      }),
  );
}

async function intelGpus(system: System, cards: readonly DrmCard[], names: readonly PciDisplay[]): Promise<FoundGpu[]> {
  return await Promise.all(
    cards
      .filter((card) => card.vendorId === "8086")
      .map(async (card) => {
        const pci = names.find((p) => p.address === card.address);
        const integrated = card.address === INTEL_INTEGRATED;
        // xe publishes a tile's memory; i915 and older kernels publish nothing.
        const vram = integrated ? null : await readBytes(system, `${card.path}/tile0/physical_vram_size_bytes`);
        return {
          vendor: "intel" as const,
          name: pci?.name ?? "Intel GPU",
          integrated,
          memoryBytes: vram,
          usableBytes: null,
          freeBytes: null,
          gpuCores: null,
          address: card.address,
          foundBy: ["/sys/class/drm", ...(pci === undefined ? [] : ["lspci"])],
          notKnown: [...(pci === undefined ? ["its name: lspci does not answer"] : []), "free memory"],
        };
      }),
  );
}

async function readBytes(system: System, path: string): Promise<number | null> {
  const text = (await system.read(path))?.trim() ?? "";
  if (!/^(\d{1,16}|0x[0-9a-f]{1,13})$/i.test(text)) return null;
  return Number(text);
}

function sum(a: number | null, b: number | null): number | null {
  return a === null && b === null ? null : (a ?? 0) + (b ?? 0);
}

async function isWsl(system: System): Promise<boolean> {
  return /microsoft/i.test((await system.read("/proc/sys/kernel/osrelease")) ?? "");
}

async function probeHost(system: System): Promise<FoundHost> {
  const [meminfo, cpuinfo, self] = await Promise.all([
    system.read("/proc/meminfo"),
    system.read("/proc/cpuinfo"),
    system.read("/proc/self/cgroup"),
  ]);
  const memory = parseMeminfo(meminfo ?? "");
  const limit = await cgroupLimit(system, self ?? "", memory.totalBytes);
  const free = [memory.availableBytes, limit?.free ?? null].filter((bytes) => bytes !== null);
  return {
    name: parseCpuName(cpuinfo ?? "") ?? "system memory",
    memoryBytes: memory.totalBytes,
    usableBytes: limit?.bytes ?? null,
    freeBytes: free.length === 0 ? null : Math.min(...free),
    foundBy: ["/proc/meminfo", ...(limit === null ? [] : [`memory limit of control group ${limit.path}`])],
    notKnown: [...(memory.totalBytes === null ? ["memory"] : [])],
  };
}

interface CgroupLimit {
  readonly bytes: number;
  readonly free: number | null;
  readonly path: string;
}

/** The tightest limit on the way up from this process's group; one above the whole memory is none. */
async function cgroupLimit(system: System, self: string, totalBytes: number | null): Promise<CgroupLimit | null> {
  let tightest: CgroupLimit | null = null;
  for (const { version, path } of parseSelfCgroup(self)) {
    const root = version === 2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const [maxFile, currentFile] =
      version === 2 ? ["memory.max", "memory.current"] : ["memory.limit_in_bytes", "memory.usage_in_bytes"];
    for (const folder of ancestors(path)) {
      const at = `${root}${folder}`;
      const bytes = parseLimit((await system.read(`${at}/${maxFile}`)) ?? "");
      if (
        bytes === null ||
        (totalBytes !== null && bytes >= totalBytes) ||
        bytes >= (tightest?.bytes ?? Number.POSITIVE_INFINITY)
      )
        continue;
      const [current, stat] = await Promise.all([
        system.read(`${at}/${currentFile}`),
        system.read(`${at}/memory.stat`),
      ]);
      const used = parseLimit(current ?? "");
      const free = used === null ? null : Math.max(0, Math.min(bytes, bytes - used + parseReclaimable(stat ?? "")));
      tightest = { bytes, free, path: folder === "" ? "/" : folder };
    }
  }
  return tightest;
}
