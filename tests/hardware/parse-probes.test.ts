/** Every parser against what other machines answered (tests/fixtures/probes/README.md). */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { ancestors, parseLimit, parseReclaimable, parseSelfCgroup } from "../../src/hardware/parse-cgroup.ts";
import { parseDisplays, parseSysctl, parseVmStat } from "../../src/hardware/parse-darwin.ts";
import { parseLspci } from "../../src/hardware/parse-lspci.ts";
import { parseCpuName, parseMeminfo } from "../../src/hardware/parse-meminfo.ts";
import { NVIDIA_QUERY, parseNvidiaSmi, visibleGpus } from "../../src/hardware/parse-nvidia-smi.ts";
import { parseRocmSmi } from "../../src/hardware/parse-rocm-smi.ts";
import { isIntegratedName, parseWindows } from "../../src/hardware/parse-windows.ts";

const MIB = 2 ** 20;

function probe(name: string): string {
  return readFileSync(join(import.meta.dir, "..", "fixtures", "probes", name), "utf8");
}

test("nvidia-smi: eight cards in use", () => {
  const gpus = parseNvidiaSmi(probe("nvidia-smi-8x-rtx-3090.csv"), ["name", "memory.total", "memory.free"]);
  expect(gpus).toHaveLength(8);
  expect(gpus.map((gpu) => gpu.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(gpus[5]?.memoryBytes).toBe(24_576 * MIB);
  expect(gpus[5]?.freeBytes).toBe(1473 * MIB);
  expect(gpus[5]?.usableBytes).toBeNull();
});

test("nvidia-smi: a card with error correction on", () => {
  const [gpu] = parseNvidiaSmi(probe("nvidia-smi-l40s.csv"), [
    "index",
    "name",
    "memory.total",
    "memory.used",
    "memory.free",
  ]);
  expect([gpu?.name, gpu?.memoryBytes, gpu?.freeBytes]).toEqual(["NVIDIA L40S", 46_068 * MIB, 36_346 * MIB]);
});

test("nvidia-smi: what the driver reserves is never free", () => {
  const cells = (probe("nvidia-smi-reserved.csv").split("\n")[1] ?? "").split(", ");
  const [, , used, reserved, free, total] = cells;
  const line = `0, NVIDIA GeForce RTX 5090 Laptop GPU, ${total}, ${reserved}, ${free}, 00000000:02:00.0, GPU-0a1b`;
  const [gpu] = parseNvidiaSmi(line, NVIDIA_QUERY);
  expect(used).toBe("0 MiB");
  expect(gpu?.usableBytes).toBe(24_137 * MIB);
  expect(gpu?.usableBytes).toBe(gpu?.freeBytes);
  expect(gpu?.address).toBe("0000:02:00.0");
});

test("nvidia-smi: GB10 shares the system's memory and says nothing of it", () => {
  const [gpu] = parseNvidiaSmi(probe("nvidia-smi-gb10.csv"), ["index", "name", "memory.total", "memory.free"]);
  expect(gpu).toMatchObject({ name: "NVIDIA GB10", integrated: true, memoryBytes: null, freeBytes: null });
});

test("nvidia-smi: a card that may not be asked is still a card", () => {
  const [gpu] = parseNvidiaSmi("0, NVIDIA L4, [Insufficient Permissions], [N/A]", [
    "index",
    "name",
    "memory.total",
    "memory.free",
  ]);
  expect(gpu).toMatchObject({ integrated: false, memoryBytes: null });
});

test.each([
  [null, [0, 1, 2]],
  ["", []],
  ["-1", []],
  ["1", [1]],
  ["2,0", [2, 0]],
  ["0,9,1", [0]],
  ["GPU-bb", [1]],
  ["0,0", [0]],
] as const)("CUDA_VISIBLE_DEVICES=%p shows %p", (visible, want) => {
  const lines = ["aa", "bb", "cc"].map((id, i) => `${i}, NVIDIA L4, 23034, 400, 22000, 00000000:0${i}:00.0, GPU-${id}`);
  const gpus = parseNvidiaSmi(lines.join("\n"), NVIDIA_QUERY);
  expect(visibleGpus(gpus, visible).map((gpu) => gpu.index)).toEqual([...want]);
});

test("rocm-smi", () => {
  expect(parseRocmSmi(probe("rocm-smi-rx-7900-xt.json"))).toMatchObject([
    { name: "Radeon RX 7900 XT", memoryBytes: 21_458_059_264, freeBytes: 21_458_059_264 - 27_856_896 },
  ]);
});

test("lspci: display controllers alone, by the name in brackets", () => {
  expect(parseLspci(probe("lspci.txt"))).toEqual([
    {
      address: "0000:00:02.0",
      vendorId: "8086",
      deviceId: "a7a0",
      name: "Raptor Lake-P Integrated Graphics",
      codename: "Raptor Lake-P Integrated Graphics",
    },
    {
      address: "0000:01:00.0",
      vendorId: "10de",
      deviceId: "27b0",
      name: "RTX 4000 SFF Ada Generation",
      codename: "AD104GL",
    },
    {
      address: "0000:03:00.0",
      vendorId: "1002",
      deviceId: "73bf",
      name: "Radeon RX 6800/6800 XT / 6900 XT",
      codename: "Navi 21",
    },
  ]);
});

test("system_profiler: an Apple chip, a card in an Intel Mac", () => {
  expect(parseDisplays(probe("system-profiler-m2-pro.json"))).toEqual([
    { name: "Apple M2 Pro", cores: 19, apple: true, vramBytes: null },
  ]);
  expect(parseDisplays(probe("system-profiler-intel-mac.json"))).toEqual([
    { name: "AMD Radeon Pro 5500M", cores: null, apple: false, vramBytes: 8 * 2 ** 30 },
  ]);
});

test("sysctl and vm_stat", () => {
  const facts = parseSysctl(probe("sysctl-wired.txt"));
  expect(facts.get("hw.memsize")).toBe("38654705664");
  expect(facts.get("iogpu.wired_limit_mb")).toBe("26000");
  // (3174400 free + 37587 speculative + 2775337 inactive) pages of 16384 bytes
  expect(parseVmStat(probe("vm-stat-m4-max.txt"))).toBe(5_987_324 * 16_384);
});

test("meminfo and cpuinfo", () => {
  expect(parseMeminfo(probe("meminfo.txt"))).toEqual({
    totalBytes: 24_683_656 * 1024,
    availableBytes: 23_762_860 * 1024,
  });
  expect(parseCpuName("processor\t: 0\nmodel name\t: AMD EPYC 9354 32-Core Processor\n")).toBe(
    "AMD EPYC 9354 32-Core Processor",
  );
  expect(parseCpuName("Hardware\t: BCM2835\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n")).toBe(
    "Raspberry Pi 5 Model B Rev 1.0",
  );
});

test("cgroups: version 1's memory controller and version 2's one hierarchy", () => {
  expect(parseSelfCgroup(probe("cgroup-v1-self.txt"))).toEqual([
    { version: 1, path: "/agent/job-1" },
    { version: 2, path: "/" },
  ]);
  expect(ancestors("/a/b")).toEqual(["/a/b", "/a", ""]);
  expect(ancestors("/../../etc")).toEqual(["/etc", ""]);
  expect(parseLimit("max\n")).toBeNull();
  expect(parseLimit("9223372036854771712\n")).toBeNull();
  expect(parseLimit("8589934592\n")).toBe(8_589_934_592);
  expect(parseReclaimable("anon 100\ninactive_file 4096\nactive_file 8192\n")).toBe(4096);
  expect(parseReclaimable("inactive_file 1\ntotal_inactive_file 4096\n")).toBe(1);
});

test("Windows: 32 bits of AdapterRAM give way to the driver's 64, a remote desktop is no GPU", () => {
  const facts = parseWindows(probe("windows.json"));
  expect(facts.gpus.map((gpu) => [gpu.name, gpu.integrated, gpu.memoryBytes])).toEqual([
    ["AMD Radeon RX 7900 XTX", false, 25_753_026_560],
    ["AMD Radeon(TM) Graphics", true, null],
  ]);
  expect(facts).toMatchObject({
    totalBytes: 66_777_508 * 1024,
    freeBytes: 50_331_648 * 1024,
    cpu: "AMD Ryzen 9 7950X 16-Core Processor",
  });
});

test("Windows: a cut-off size without the driver's own is not known", () => {
  const controllers = {
    Name: "AMD Radeon RX 7900 XTX",
    AdapterRAM: 4_293_918_720,
    PNPDeviceID: "PCI\\VEN_1002&DEV_744C",
  };
  expect(parseWindows(JSON.stringify({ controllers })).gpus[0]?.memoryBytes).toBeNull();
});

test.each([
  ["Intel(R) UHD Graphics 770", true],
  ["Intel(R) Iris(R) Xe Graphics", true],
  ["Intel(R) Arc(TM) 140V GPU (16GB)", true],
  ["Intel(R) Arc(TM) Graphics", true],
  ["AMD Radeon(TM) Graphics", true],
  ["AMD Radeon 780M Graphics", true],
  ["Radeon 8060S Graphics", true],
  ["AMD Radeon RX 7900 XTX", false],
  ["Intel(R) Arc(TM) B580 Graphics", false],
  ["Intel(R) Arc(TM) A770 Graphics", false],
  ["AMD Radeon PRO W7900", false],
] as const)("%s is inside a processor: %p", (name, want) => {
  expect(isIntegratedName(name)).toBe(want);
});

test("no parser throws, whatever a tool prints", () => {
  const files = [
    "nvidia-smi-l40s.csv",
    "rocm-smi-rx-7900-xt.json",
    "lspci.txt",
    "windows.json",
    "vm-stat-m4-max.txt",
  ].map(probe);
  const text = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.json(),
    fc
      .tuple(fc.constantFrom(...files), fc.nat(2000), fc.string({ maxLength: 5 }))
      .map(([f, at, s]) => f.slice(0, at) + s + f.slice(at)),
  );
  fc.assert(
    fc.property(text, (t) => {
      expect(parseNvidiaSmi(t, NVIDIA_QUERY)).toBeArray();
      expect(parseRocmSmi(t)).toBeArray();
      expect(parseLspci(t)).toBeArray();
      expect(parseDisplays(t)).toBeArray();
      expect(parseWindows(t).gpus).toBeArray();
      expect(parseVmStat(t) ?? 0).toBeGreaterThanOrEqual(0);
      expect(parseSelfCgroup(t)).toBeArray();
      expect(parseSysctl(t).size).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 300 },
  );
});
