/** The programs that can be made, and which native part of llama.cpp each carries. */
export interface Target {
  /** What --target takes, and the end of the file's name. */
  readonly id: string;
  readonly bun: Bun.Build.CompileTarget;
  /** Package of node-llama-cpp with the libraries; null where none is built (musl). */
  readonly engine: string | null;
}

export const TARGETS: readonly Target[] = [
  { id: "linux-x64", bun: "bun-linux-x64", engine: "linux-x64" },
  { id: "linux-x64-baseline", bun: "bun-linux-x64-baseline", engine: "linux-x64" },
  { id: "linux-arm64", bun: "bun-linux-arm64", engine: "linux-arm64" },
  { id: "linux-x64-musl", bun: "bun-linux-x64-musl", engine: null },
  { id: "darwin-arm64", bun: "bun-darwin-arm64", engine: "mac-arm64-metal" },
  { id: "darwin-x64", bun: "bun-darwin-x64", engine: "mac-x64" },
  { id: "windows-x64", bun: "bun-windows-x64", engine: "win-x64" },
  { id: "windows-arm64", bun: "bun-windows-arm64", engine: "win-arm64" },
];

const OS_NAMES: Readonly<Record<string, string>> = { linux: "linux", darwin: "darwin", win32: "windows" };

/** The target that runs here; null on a system Bun makes no programs for. */
export function hostTarget(): Target | null {
  const id = `${OS_NAMES[process.platform] ?? process.platform}-${process.arch}`;
  return TARGETS.find((target) => target.id === id) ?? null;
}
