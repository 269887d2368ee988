/**
 * What a program can ever get of a device's memory, where somebody has seen the driver say so. The driver and the
 * firmware keep the rest; how much differs by card and a little by driver.
 */

const MIB = 2 ** 20;
const GIB = 2 ** 30;

export interface UsableMemory {
  readonly bytes: number;
  readonly source: string;
}

/** Total that the CUDA or HIP runtime reports on Linux, by row of the device table. */
const REPORTED: Readonly<Record<string, UsableMemory>> = {
  "rtx-3080-ti": { bytes: 11_909 * MIB, source: "llama.cpp's device list in ollama/ollama#16508" },
  "rtx-4090": {
    bytes: 24_082 * MIB,
    source: "llama.cpp's device list, 550 and later drivers; earlier ones say 23.64 GiB (ali-vilab/VGen#104)",
  },
  "rtx-5090": { bytes: 33_670_758_400, source: "llama.cpp's device list in ggml-org/llama.cpp#23676" },
  "a100-sxm4-80gb": { bytes: 81_152 * MIB, source: "llama.cpp's device list, driver 590.48" },
  "h100-sxm5-80gb": { bytes: 81_079 * MIB, source: "llama.cpp's device list" },
  "rtx-6000-ada-generation": {
    bytes: Math.floor(44.43 * GIB),
    source: "PyTorch in DINGYANB/MTVCrafter#21, error correction on (46068 MiB in nvidia-smi)",
  },
  "rx-7900-xt": { bytes: 21_458_059_264, source: "rocm-smi in marimo-team/marimo#9237" },
};

export function reportedMemory(rowId: string): UsableMemory | null {
  return REPORTED[rowId] ?? null;
}

/**
 * Smallest and largest share of the marketed memory that the cards above leave to programs: 44.43 of 48 GiB (RTX 6000
 * Ada, error correction on) and 20464 of 20480 MiB (RX 7900 XT). The range told for a card that nobody has measured.
 */
export const USABLE_SHARE = { low: 0.925, high: 0.999 } as const;

export interface AppleLimit {
  /** Newest macOS seen. */
  readonly bytes: number;
  /** Older macOS, null when the newest value is the only one seen, or nothing newer is. */
  readonly olderBytes: number | null;
  readonly measured: boolean;
}

/**
 * Metal's recommendedMaxWorkingSetSize by the machine's memory, in hundredths of it: [GiB, newest macOS seen, older].
 * `sysctl iogpu.wired_limit_mb` replaces it exactly when it is not 0.
 * @source ggml_metal_device_init in llama.cpp logs: 11453.25 MB and 11.84 GiB of 16 GiB, 14302.25 of 18, 19069.67 of 24,
 *   26800.60 of 32, 30150.67 of 36, 40200.90 of 48, 55662.79 of 64, 115448.73 of 128 (MB of 10^6); older:
 *   ollama/ollama#434 (32 GiB), ggml-org/llama.cpp#1870 (64 GiB), ggml-org/llama.cpp#3213 (96 GiB), antirez/ds4#893 (128 GiB)
 */
const APPLE_HUNDREDTHS: readonly (readonly [number, number, number | null])[] = [
  [16, 74, 200 / 3],
  [18, 74, null],
  [24, 74, null],
  [32, 78, 200 / 3],
  [36, 78, null],
  [48, 78, null],
  [64, 81, 75],
  [96, 75, null],
  [128, 84, 75],
];

/** Metal counts whole pages, upwards. */
const APPLE_PAGE = 16_384;

/** For a size nobody has reported: two thirds up to 36 GiB, three quarters above, as macOS did before it gave more. Not measured. */
export function appleWiredLimit(memoryBytes: number): AppleLimit {
  const row = APPLE_HUNDREDTHS.find(([gib]) => gib * GIB === memoryBytes);
  if (row === undefined) {
    const share = memoryBytes <= 36 * GIB ? 2 / 3 : 3 / 4;
    return { bytes: Math.floor(memoryBytes * share), olderBytes: null, measured: false };
  }
  const [, newer, older] = row;
  return {
    bytes: Math.ceil((memoryBytes * newer) / 100 / APPLE_PAGE) * APPLE_PAGE,
    olderBytes: older === null ? null : Math.floor((memoryBytes * older) / 100),
    measured: true,
  };
}
