/** What this folder needs to know of the environment; src/config.ts reads it and hands it in. */
import { readFileSync } from "node:fs";

export interface HubConfig {
  /** HF_ENDPOINT: the hub or a mirror of it, without a slash at the end. */
  readonly endpoint: string;
  /** HF_TOKEN; null: look into the file. */
  readonly token: string | null;
  /** Where `hf auth login` writes it. */
  readonly tokenFile: string;
  /** The cache that other tools share, with its models--org--name folders. */
  readonly sharedCacheDir: string;
  /** Never ask the network. */
  readonly offline: boolean;
}

/** One line of visible ASCII: anything else would be refused as a header. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]{1,500}$/.test(text);
}

/** The token to send to the hub's own origin; null when there is none. */
export function readToken(config: HubConfig): string | null {
  if (config.token !== null) return config.token;
  try {
    const text = readFileSync(config.tokenFile, "utf8").trim();
    return isToken(text) ? text : null;
  } catch {
    return null; // No file: not logged in.
  }
}
