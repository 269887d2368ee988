/** Whole machines, as their files and tools answered. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { System } from "../../src/hardware/detected.ts";
import { detectMachine } from "../../src/hardware/probe.ts";

const GIB = 2 ** 30;
const MIB = 2 ** 20;

function fixture(name: string): string {
  return readFileSync(join(import.meta.dir, "..", "fixtures", "probes", name), "utf8");
}

/** A system that answers what it is told to: programs by their name, files by path; links lead where `links` says. */
function system(answers: {
  readonly programs?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
}): System {
  const files = answers.files ?? {};
  return {
    run: async (command, args) => {
      const name = command.split("/").at(-1) ?? "";
      const text = answers.programs?.[name];
      if (text === undefined) return null;
      // An older nvidia-smi refuses a field it does not know, and says so by its exit status.
      return name === "nvidia-smi" && text.split("\n")[0]?.split(",").length !== args[0]?.split(",").length
        ? null
        : text;
    },
    read: async (path) => files[path] ?? null,
    list: async (path) => [
      ...new Set(
        Object.keys(files)
          .filter((file) => file.startsWith(`${path}/`))
          .map((file) => file.slice(path.length + 1).split("/")[0] ?? ""),
      ),
    ],
    resolve: async (path) => answers.links?.[path] ?? null,
  };
}

const LINUX = { platform: "linux", cudaVisibleDevices: null };
const PROC = { "/proc/meminfo": fixture("meminfo.txt"), "/proc/self/cgroup": fixture("cgroup-v1-self.txt") };

test("a machine without a GPU", async () => {
  const { machine, origins, hostOrigin } = await detectMachine(LINUX, system({ files: PROC }));
  expect(machine).toMatchObject({ id: "auto", accelerators: [], unified: false, here: true, warnings: [] });
  expect(machine.host).toMatchObject({
    memoryBytes: 24_683_656 * 1024,
    usableBytes: null,
    freeBytes: 23_762_860 * 1024,
  });
  expect(origins).toEqual([]);
  expect(hostOrigin.notKnown).toEqual(["memory bandwidth: the memory modules are not read"]);
});

test("a control group's limit, its use and what it gives back", async () => {
  const files = {
    ...PROC,
    "/proc/self/cgroup": "0::/kubepods/pod1\n",
    "/sys/fs/cgroup/kubepods/pod1/memory.max": "max\n",
    "/sys/fs/cgroup/kubepods/memory.max": `${8 * GIB}\n`,
    "/sys/fs/cgroup/kubepods/memory.current": `${3 * GIB}\n`,
    "/sys/fs/cgroup/kubepods/memory.stat": `anon 1\ninactive_file ${GIB}\n`,
  };
  const { machine, hostOrigin } = await detectMachine(LINUX, system({ files }));
  expect(machine.host.usableBytes).toBe(8 * GIB);
  // 8 - 3 + 1
  expect(machine.host.freeBytes).toBe(6 * GIB);
  expect(hostOrigin.foundBy).toContain("memory limit of control group /kubepods");
});

test("a limit of version 1 above the whole memory is none", async () => {
  const files = { ...PROC, "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n" };
  const { machine } = await detectMachine(LINUX, system({ files }));
  expect(machine.host.usableBytes).toBeNull();
});

test("two NVIDIA cards, an older driver", async () => {
  const programs = {
    "nvidia-smi":
      "0, NVIDIA GeForce RTX 4090, 24564, 24100, 00000000:01:00.0, GPU-a\n1, NVIDIA GeForce RTX 3090, 24576, 24000, 00000000:02:00.0, GPU-b\n",
  };
  const { machine, origins } = await detectMachine(LINUX, system({ files: PROC, programs }));
  expect(machine.accelerators.map((d) => [d.id, d.name, d.memoryBytes, d.usableBytes, d.freeBytes])).toEqual([
    ["CUDA0", "NVIDIA GeForce RTX 4090", 24_564 * MIB, 24_082 * MIB, 24_100 * MIB],
    ["CUDA1", "NVIDIA GeForce RTX 3090", 24_576 * MIB, null, 24_000 * MIB],
  ]);
  expect(machine.accelerators.map((d) => d.bandwidthBytesPerSecond)).toEqual([1_008_000_000_000, 936_000_000_000]);
  expect(origins.map((o) => o.row)).toEqual(["rtx-4090", "rtx-3090"]);
});

test("a name that several boards share is told apart by the memory", async () => {
  const programs = { "nvidia-smi": "0, NVIDIA GeForce RTX 3060, 12288, 300, 11800, 00000000:01:00.0, GPU-a\n" };
  const { machine, origins } = await detectMachine(LINUX, system({ files: PROC, programs }));
  expect(origins[0]?.row).toBe("rtx-3060-12gb");
  expect(machine.accelerators[0]?.usableBytes).toBe(11_988 * MIB);
});

test("GB10 takes its memory from the system it shares", async () => {
  const programs = { "nvidia-smi": "0, NVIDIA GB10, [N/A], [N/A], [N/A], 0000000F:01:00.0, GPU-a\n" };
  const files = { ...PROC, "/proc/meminfo": "MemTotal:       125489508 kB\nMemAvailable:   100000000 kB\n" };
  const { machine, origins } = await detectMachine(LINUX, system({ files, programs }));
  expect(machine.unified).toBe(true);
  expect(machine.accelerators[0]).toMatchObject({
    backend: "cuda",
    memoryBytes: 125_489_508 * 1024,
    freeBytes: 100_000_000 * 1024,
  });
  expect(origins[0]?.row).toBe("dgx-spark-gb10");
  expect(origins[0]?.notKnown).toEqual(["what the driver leaves to programs"]);
});

const RX_570 = {
  "/sys/class/drm/card1/device/vendor": "0x1002\n",
  "/sys/class/drm/card1/device/mem_info_vram_total": "4294967296\n",
  "/sys/class/drm/card1/device/mem_info_vram_used": "1073741824\n",
  "/sys/class/drm/card1/device/mem_info_gtt_total": "4294967296\n",
};

test("an AMD card: its own memory, not what the kernel lends it", async () => {
  const { machine, origins } = await detectMachine(
    LINUX,
    system({
      files: { ...PROC, ...RX_570 },
      links: { "/sys/class/drm/card1/device": "/sys/devices/pci0000:00/0000:03:00.0" },
    }),
  );
  expect(machine.accelerators).toMatchObject([
    { id: "ROCm0", name: "AMD GPU", memoryBytes: 4 * GIB, freeBytes: 3 * GIB },
  ]);
  expect(origins[0]?.notKnown[0]).toBe("its name: neither rocm-smi nor lspci answers");
});

test("graphics inside an AMD processor: carve-out and lent pages are one memory, used only where there is no other GPU", async () => {
  const files = {
    ...PROC,
    "/sys/class/drm/card1/device/vendor": "0x1002\n",
    "/sys/class/drm/card1/device/mem_info_vram_total": `${512 * MIB}\n`,
    "/sys/class/drm/card1/device/mem_info_vram_used": `${100 * MIB}\n`,
    "/sys/class/drm/card1/device/mem_info_gtt_total": `${7695 * MIB}\n`,
    "/sys/class/drm/card1/device/mem_info_gtt_used": `${50 * MIB}\n`,
  };
  const links = { "/sys/class/drm/card1/device": "/sys/devices/pci0000:00/0000:04:00.0" };
  const lspci =
    '0000:04:00.0 "VGA compatible controller [0300]" "Advanced Micro Devices, Inc. [AMD/ATI] [1002]" "Cezanne [Radeon Vega Series / Radeon Vega Mobile Series] [1638]" -rc4\n';
  const alone = await detectMachine(LINUX, system({ files, links, programs: { lspci } }));
  expect(alone.machine.unified).toBe(true);
  // 512 + 7695 MiB, less 150 in use
  expect(alone.machine.accelerators).toMatchObject([{ id: "Vulkan0", usableBytes: 8207 * MIB, freeBytes: 8057 * MIB }]);
  const smi = { lspci, "nvidia-smi": "0, NVIDIA GeForce RTX 3090, 24576, 300, 24000, 00000000:01:00.0, GPU-a\n" };
  const beside = await detectMachine(LINUX, system({ files, links, programs: smi }));
  expect(beside.machine.accelerators.map((d) => d.id)).toEqual(["CUDA0"]);
  expect(beside.leftOut).toHaveLength(1);
  expect(beside.machine.warnings[0]).toContain("only where there is no other GPU");
});

test("an NVIDIA card whose driver does not answer is said, not guessed", async () => {
  const files = { ...PROC, "/sys/class/drm/card0/device/vendor": "0x10de\n" };
  const { machine } = await detectMachine(LINUX, system({ files }));
  expect(machine.accelerators).toEqual([]);
  expect(machine.warnings).toEqual([
    "an NVIDIA card is here, but nvidia-smi does not answer: is its driver installed?",
  ]);
});

const MAC = { platform: "darwin", cudaVisibleDevices: null };

test("an Apple chip: cores tell the row, macOS's usual share is the limit", async () => {
  const programs = {
    system_profiler: fixture("system-profiler-m2-pro.json"),
    sysctl: `hw.memsize: ${16 * GIB}\niogpu.wired_limit_mb: 0\nmachdep.cpu.brand_string: Apple M2 Pro\n`,
    vm_stat:
      "Mach Virtual Memory Statistics: (page size of 16384 bytes)\nPages free: 100000.\nPages inactive: 200000.\n",
  };
  const { machine, origins } = await detectMachine(MAC, system({ programs }));
  expect(origins[0]?.row).toBe("apple-m2-pro-19c");
  expect(machine.unified).toBe(true);
  // 74 % of 16 GiB in whole pages; 300,000 pages are free
  expect(machine.accelerators[0]).toMatchObject({
    id: "MTL0",
    memoryBytes: 16 * GIB,
    usableBytes: 12_713_115_648,
    freeBytes: 300_000 * 16_384,
  });
  expect(machine.host.bandwidthBytesPerSecond).toBe(200_000_000_000);
});

test("an Apple chip whose limit was set", async () => {
  const programs = {
    system_profiler: fixture("system-profiler-m2-pro.json"),
    sysctl: fixture("sysctl-wired.txt"),
    vm_stat: fixture("vm-stat-m4-max.txt"),
  };
  const { machine } = await detectMachine(MAC, system({ programs }));
  expect(machine.accelerators[0]?.usableBytes).toBe(26_000 * MIB);
  expect(machine.accelerators[0]?.freeBytes).toBe(26_000 * MIB);
});

test("an Apple chip when system_profiler is too slow", async () => {
  const programs = { sysctl: `hw.memsize: ${64 * GIB}\nmachdep.cpu.brand_string: Apple M4 Max\n` };
  const { machine, origins } = await detectMachine(MAC, system({ programs }));
  expect(machine.accelerators[0]).toMatchObject({ name: "Apple M4 Max", memoryBytes: 64 * GIB, freeBytes: null });
  expect(origins[0]?.notKnown).toContain("how many cores the GPU has");
});

test("Windows", async () => {
  const { machine, leftOut } = await detectMachine(
    { platform: "win32", cudaVisibleDevices: null },
    system({ programs: { powershell: fixture("windows.json") } }),
  );
  expect(machine.accelerators).toMatchObject([
    { id: "ROCm0", name: "AMD Radeon RX 7900 XTX", memoryBytes: 25_753_026_560, freeBytes: null },
  ]);
  expect(leftOut.map((gpu) => gpu.name)).toEqual(["AMD Radeon(TM) Graphics"]);
});

test("nothing answers", async () => {
  for (const platform of ["linux", "darwin", "win32", "freebsd"]) {
    const { machine } = await detectMachine({ platform, cudaVisibleDevices: null }, system({}));
    expect(machine.accelerators).toEqual([]);
    expect(machine.host.memoryBytes).toBeNull();
  }
});

test("this machine, whatever it is, in less than the time-outs together", async () => {
  const { machine } = await detectMachine({ platform: process.platform, cudaVisibleDevices: null });
  expect(machine.host.memoryBytes ?? 0).toBeGreaterThan(0);
});
