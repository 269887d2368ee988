/** Something with a length, of which any part can be read: a file, or a file behind HTTP ranges. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { AppError } from "../errors.ts";

export interface ByteSource {
  /** How a sentence names it: a path, or `org/name/file.gguf`. */
  readonly name: string;
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`.
   * @throws {AppError} malformed or network when there are fewer; never gives more or less
   */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
}

/**
 * Lends a file as a source, and closes it afterwards.
 * @throws {AppError} not_found, io
 */
export async function withFile<T>(path: string, use: (source: ByteSource) => Promise<T>): Promise<T> {
  const handle = await openForReading(path);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new AppError("not_found", `Cannot read "${path}": it is not a file`);
    return await use({ name: path, size: stat.size, read: (offset, length) => readFrom(handle, path, offset, length) });
  } finally {
    await handle.close();
  }
}

/** A file that is no weights: config.json, an index of 10,000 shards. */
const MAX_TEXT_BYTES = 64 * 2 ** 20;

/**
 * A small file, whole.
 * @throws {AppError} not_found, io; malformed when it is longer than any such file
 */
export function readTextFile(path: string): Promise<string> {
  return withFile(path, async ({ size, read }) => {
    if (size > MAX_TEXT_BYTES) {
      throw new AppError(
        "malformed",
        `Cannot read "${path}": it has ${size} bytes, and ${MAX_TEXT_BYTES} are the most`,
      );
    }
    return new TextDecoder().decode(await read(0, size));
  });
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    // Without O_NONBLOCK a named pipe would wait for its writer for ever.
    return await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    throw fileError(path, cause);
  }
}

/** What a failed operation on a path means: not_found or io. */
export function fileError(path: string, cause: unknown): AppError {
  const code = String((cause as { code?: unknown }).code);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new AppError("not_found", `Cannot read "${path}": there is no such file`, { cause });
  }
  const hint = code === "EACCES" || code === "EPERM" ? "check the file's permissions" : null;
  return new AppError("io", `Cannot read "${path}": the system answers ${code}`, { hint, cause });
}

async function readFrom(handle: FileHandle, path: string, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await readPiece(handle, path, bytes, done, offset);
    if (bytesRead === 0) throw new AppError("malformed", `Cannot read "${path}": it ends at byte ${offset + done}`);
    done += bytesRead;
  }
  return bytes;
}

async function readPiece(handle: FileHandle, path: string, bytes: Uint8Array, done: number, offset: number) {
  try {
    return await handle.read(bytes, done, bytes.length - done, offset + done);
  } catch (cause) {
    throw fileError(path, cause);
  }
}
