/** MODEL as people write it, told apart before anything is read. */
import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import { AppError } from "../errors.ts";
import { statOrNull } from "./look.ts";
import { isRepoId } from "./repo-path.ts";

export type ModelRef =
  /** `pick`: a quantisation ("Q4_K_M") or a path in the repository ("x.gguf"); null for the repository as a whole. */
  | { readonly kind: "hub"; readonly id: string; readonly revision: string | null; readonly pick: string | null }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "folder"; readonly path: string };

/** What stands at a path; null: nothing. Injected by tests. */
export type LookAt = (path: string) => "file" | "folder" | null;

const lookOnDisk: LookAt = (path) => {
  const stat = statOrNull(path);
  if (stat === null) return null;
  return stat.isDirectory() ? "folder" : "file";
};

const REVISION = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/;
const MAX_LENGTH = 4096;
/** A page of another site (github.com/org/name) names no model, even where the hub has one that is called the same. */
const HUB_HOSTS = /^(?:(?:www\.)?huggingface\.co|hf\.co|hf-mirror\.com)$/;

/**
 * A file that exists, or a folder with config.json, wins over a name on the hub. `./`, `../`, `/`, `~/`, `\`, a drive letter and an ending `.gguf`
 * without a repository before it are always paths.
 * @throws {AppError} usage, not_found, unsupported (ollama:, lmstudio:)
 */
export function parseModelRef(text: string, look: LookAt = lookOnDisk): ModelRef {
  const name = text.trim();
  if (name === "") throw new AppError("usage", "Cannot find a model: none was named", { hint: examples });
  if (name.length > MAX_LENGTH || name.includes("\0")) {
    throw new AppError("usage", `Cannot find a model: its name of ${name.length} characters is no name`, {
      hint: examples,
    });
  }
  // Looking at one makes Windows sign in to whatever host it names, and a link can open the page with it.
  if (/^[\\/]{2}/.test(name)) {
    throw new AppError("usage", `Cannot read "${name}": paths on other hosts are not read`, {
      hint: "copy the file here, or give it a drive letter",
    });
  }
  const store = /^(ollama|lmstudio):/.exec(name)?.[1];
  if (store !== undefined) throw notYet(name, store);
  const url = hubUrlPart(name);
  if (url !== null) return parseHubRef(url, name);
  const path = expandHome(name);
  const found = look(path);
  if (found === "file") return fileRef(path);
  if (found === "folder") {
    if (look(join(path, "config.json")) === "file") return { kind: "folder", path };
    // A folder that happens to be called as a repository is: the hub is meant.
    if (isPathLike(name) || !isRepoId(name)) throw noConfig(path);
  }
  if (isPathLike(name)) throw noSuchPath(name, path, look);
  return parseHubRef(name.replace(/^(?:hf\.co|huggingface\.co)\//i, ""), name);
}

const examples = "give org/name, org/name:Q4_K_M, a .gguf file or a folder with config.json";

function notYet(name: string, store: string): AppError {
  const title = store === "ollama" ? "Ollama" : "LM Studio";
  return new AppError("unsupported", `Cannot read "${name}": models of ${title} by name are not supported yet`, {
    hint:
      store === "ollama"
        ? "give the model's file: the FROM line of ollama show --modelfile names it"
        : "give the .gguf file in LM Studio's models folder",
  });
}

/** `https://huggingface.co/org/name/tree/main` and the like, as copied from a browser; null when it is no URL. */
function hubUrlPart(name: string): string | null {
  if (!/^https?:\/\//i.test(name)) return null;
  const url = URL.canParse(name) ? new URL(name) : null;
  const parts = url === null ? null : pathParts(url);
  if (url === null || parts === null)
    throw new AppError("usage", `Cannot find "${name}": it is no URL`, { hint: examples });
  if (!HUB_HOSTS.test(url.hostname)) {
    throw new AppError("usage", `Cannot find "${name}": "${url.hostname}" is not the hub`, {
      hint: "give org/name; HF_ENDPOINT says on which mirror to look",
    });
  }
  const [org, repo, view, revision, ...file] = parts;
  if (org === undefined || repo === undefined) {
    throw new AppError("usage", `Cannot find a model at "${name}": it names no repository`, { hint: examples });
  }
  const at = revision === undefined || revision === "main" ? "" : `@${revision}`;
  const pick = (view === "blob" || view === "resolve") && file.length > 0 ? `:${file.join("/")}` : "";
  return `${org}/${repo}${at}${pick}`;
}

/** null when it has broken %-escapes. */
function pathParts(url: URL): string[] | null {
  try {
    return url.pathname
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent);
  } catch {
    return null;
  }
}

function expandHome(name: string): string {
  return name.startsWith("~/") || name.startsWith("~\\") ? join(homedir(), name.slice(2)) : name;
}

function isPathLike(name: string): boolean {
  return (
    /^(?:\.{1,2}[\\/]|[\\/]|~[\\/]|[A-Za-z]:[\\/])/.test(name) ||
    name.includes("\\") ||
    (/\.(gguf|safetensors|bin|json)$/i.test(name) && !name.includes(":"))
  );
}

function fileRef(path: string): ModelRef {
  const file = basename(path);
  if (/\.gguf$/i.test(file)) return { kind: "file", path };
  if (/\.safetensors$|^config\.json$|\.index\.json$/i.test(file)) {
    throw new AppError("usage", `Cannot read "${path}" alone: a safetensors model is its whole folder`, {
      hint: `give the folder "${resolve(path, "..")}"`,
    });
  }
  // Ollama's blobs and renamed files: the magic decides.
  return { kind: "file", path };
}

function noConfig(path: string): AppError {
  return new AppError("not_found", `Cannot read "${path}" as a model: the folder has no config.json`, {
    hint: ggufHint(path),
  });
}

/** The files that were perhaps meant, by name. */
function ggufHint(folder: string): string {
  const ggufs = namesIn(folder).filter((name) => /\.gguf$/i.test(name));
  if (ggufs.length === 0) return "give the model's folder, or a .gguf file";
  const more = ggufs.length > 5 ? ` or another of ${ggufs.length}` : "";
  return `give one .gguf file in it: ${ggufs.slice(0, 5).join(", ")}${more}`;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}

function noSuchPath(name: string, path: string, look: LookAt): AppError {
  const parent = resolve(path, "..");
  const hint =
    look(parent) === "folder"
      ? `the folder "${parent}" is there, and has no "${basename(path)}"`
      : `there is no folder "${parent}" either`;
  return new AppError("not_found", `Cannot read "${name}": there is no such file or folder`, { hint });
}

function parseHubRef(ref: string, name: string): ModelRef {
  const colon = ref.indexOf(":");
  const pick = colon === -1 ? null : ref.slice(colon + 1);
  const [id = "", revision = null, ...more] = (colon === -1 ? ref : ref.slice(0, colon)).split("@");
  if (more.length > 0 || !isRepoId(id)) throw noName(name);
  if (revision !== null && !REVISION.test(revision)) {
    throw new AppError("usage", `Cannot find "${name}": "${revision}" is no revision`, {
      hint: "give a branch, a tag or a commit after the @",
    });
  }
  if (pick !== null && (pick === "" || pick.split("/").some((part) => part === "" || part === "." || part === ".."))) {
    throw new AppError("usage", `Cannot find "${name}": nothing usable follows the colon`, {
      hint: "give a quantisation (org/name:Q4_K_M) or a file (org/name:file.gguf) after it",
    });
  }
  return { kind: "hub", id, revision, pick };
}

function noName(name: string): AppError {
  return new AppError("usage", `Cannot find "${name}": it is neither a path that exists nor a name on the hub`, {
    hint: examples,
  });
}
