/** The only reader of the environment and of the platform's folders. Everything else gets what it needs of this as an argument. */
import { homedir } from "node:os";
import { join } from "node:path";

export interface Config {
  readonly platform: NodeJS.Platform;
  /** Settings, ledger, runtime.json. HWLEDGER_HOME moves it, and the cache with it. */
  readonly dataDir: string;
  /** Headers and JSON read from the hub. */
  readonly cacheDir: string;
  readonly hub: {
    readonly endpoint: string;
    /** HF_TOKEN, else the file that `hf auth login` writes; read only when asked for. */
    readonly token: string | null;
    readonly tokenFile: string;
    /** Where other tools keep models--org--name folders. */
    readonly sharedCacheDir: string;
    /** HF_HUB_OFFLINE: never ask the network. */
    readonly offline: boolean;
  };
  /** NO_COLOR, TERM=dumb. */
  readonly noColour: boolean;
  /** Columns of the terminal as COLUMNS says, null when it does not. */
  readonly columns: number | null;
  /** Devices that CUDA programs started from here see, as CUDA_VISIBLE_DEVICES has it; null: all. */
  readonly cudaVisibleDevices: string | null;
  /** Program and arguments by which this program starts itself; a command's name and its own arguments follow. */
  readonly self: readonly string[];
  /** Handed on to children, and read nowhere else. */
  readonly environment: Environment;
}

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_ENDPOINT = "https://huggingface.co";

export function readConfig(
  env: Environment = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): Config {
  const said = (name: string): string | null => {
    const value = env[name]?.trim();
    return value === undefined || value === "" ? null : value;
  };
  const own = said("HWLEDGER_HOME");
  const hfHome = said("HF_HOME") ?? join(said("XDG_CACHE_HOME") ?? join(home, ".cache"), "huggingface");
  const columns = Number(said("COLUMNS"));
  return {
    platform,
    dataDir: own ?? platformDataDir(platform, home, said),
    cacheDir: own === null ? platformCacheDir(platform, home, said) : join(own, "cache"),
    hub: {
      endpoint: (said("HF_ENDPOINT") ?? DEFAULT_ENDPOINT).replace(/\/+$/, ""),
      token: said("HF_TOKEN") ?? said("HUGGING_FACE_HUB_TOKEN"),
      tokenFile: said("HF_TOKEN_PATH") ?? join(hfHome, "token"),
      sharedCacheDir: said("HF_HUB_CACHE") ?? said("HUGGINGFACE_HUB_CACHE") ?? join(hfHome, "hub"),
      offline: isOn(said("HF_HUB_OFFLINE")) || isOn(said("HWLEDGER_OFFLINE")),
    },
    noColour: said("NO_COLOR") !== null || said("TERM") === "dumb",
    columns: Number.isSafeInteger(columns) && columns > 0 ? columns : null,
    cudaVisibleDevices: env.CUDA_VISIBLE_DEVICES ?? null,
    self: selfCommand(),
    environment: env,
  };
}

/** The one-file program is its own executable, and its main module lies in Bun's virtual file system. */
function selfCommand(): readonly string[] {
  const inside = /^(\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/i.test(Bun.main);
  return inside ? [process.execPath] : [process.execPath, join(import.meta.dir, "cli", "main.ts")];
}

function isOn(value: string | null): boolean {
  return value !== null && /^(1|on|yes|true)$/i.test(value);
}

type Said = (name: string) => string | null;

/** @source XDG base directory specification 0.8; Apple's and Microsoft's own places */
function platformDataDir(platform: NodeJS.Platform, home: string, said: Said): string {
  if (platform === "darwin") return join(home, "Library", "Application Support", "hwledger");
  if (platform === "win32") return join(said("LOCALAPPDATA") ?? join(home, "AppData", "Local"), "hwledger");
  return join(said("XDG_DATA_HOME") ?? join(home, ".local", "share"), "hwledger");
}

function platformCacheDir(platform: NodeJS.Platform, home: string, said: Said): string {
  if (platform === "darwin") return join(home, "Library", "Caches", "hwledger");
  if (platform === "win32") return join(said("LOCALAPPDATA") ?? join(home, "AppData", "Local"), "hwledger", "cache");
  return join(said("XDG_CACHE_HOME") ?? join(home, ".cache"), "hwledger");
}
