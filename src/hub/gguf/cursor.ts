/**
 * Reads a source forward through a window: numbers are taken from memory at once, and only at the window's end is the
 * next piece fetched. What is skipped beyond the window is never fetched.
 */
import { AppError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";
import { MAX_HEADER_BYTES, MAX_KEPT_BYTES } from "./limits.ts";

const NOTHING = new Uint8Array(0);
const HIGH = 2 ** 32;

export interface Steps {
  /** Bytes of the first fetch and of each that follows. */
  readonly first: number;
  readonly next: number;
}

export class Cursor {
  readonly source: ByteSource;
  readonly #steps: Steps;
  #window: Uint8Array = NOTHING;
  #view: DataView = new DataView(NOTHING.buffer);
  /** The window's place in the source, and the reader's place in the window (past its end after a long skip). */
  #start = 0;
  #at = 0;
  #kept = 0;
  #fetched = 0;
  readonly #text = new TextDecoder();

  constructor(source: ByteSource, steps: Steps) {
    this.source = source;
    this.#steps = steps;
  }

  get position(): number {
    return this.#start + this.#at;
  }

  /** Bytes of the source after the reader's place. */
  get remaining(): number {
    return this.source.size - this.position;
  }

  get fetchedBytes(): number {
    return this.#fetched;
  }

  broken(why: string): AppError {
    return new AppError("malformed", `Cannot read "${this.source.name}" as GGUF: ${why}`, {
      hint: "the file is damaged or was not downloaded to its end; get it again",
    });
  }

  has(length: number): boolean {
    return this.#at + length <= this.#window.length;
  }

  /** Makes the next `length` bytes readable. Call only when `has` says no. */
  async fill(length: number): Promise<void> {
    if (length > this.remaining)
      throw this.broken(`its header goes on past the file's end at byte ${this.source.size}`);
    this.#checkLimit(length);
    const rest = this.#at < this.#window.length ? this.#window.subarray(this.#at) : NOTHING;
    const from = this.position + rest.length;
    const step = this.#fetched === 0 ? this.#steps.first : this.#steps.next;
    const wanted = Math.min(Math.max(length - rest.length, step), this.source.size - from);
    const more = await this.source.read(from, wanted);
    this.#fetched += more.length;
    this.#start = this.position;
    this.#at = 0;
    if (rest.length === 0) {
      this.#window = more;
    } else {
      const joined = new Uint8Array(rest.length + more.length);
      joined.set(rest);
      joined.set(more, rest.length);
      this.#window = joined;
    }
    this.#view = new DataView(this.#window.buffer, this.#window.byteOffset, this.#window.byteLength);
  }

  /** @throws {AppError} malformed when that is past the end, or past what a header may hold */
  skip(length: number): void {
    if (length > this.remaining)
      throw this.broken(`its header goes on past the file's end at byte ${this.source.size}`);
    this.#checkLimit(length);
    this.#at += length;
  }

  /**
   * Passes strings (8 bytes of length, then as many bytes) without looking at them, as far as the window reaches.
   * A vocabulary has some hundred thousand: this loop is where a header's time goes.
   * @returns how many were passed: at least 1 when `has(8)`, at most `count`
   */
  skipStrings(count: number): number {
    const view = this.#view;
    const { size } = this.source;
    const lastLength = this.#window.length - 8;
    let at = this.#at;
    let passed = 0;
    while (passed < count && at <= lastLength) {
      at += 8 + view.getUint32(at, true) + view.getUint32(at + 4, true) * HIGH;
      if (this.#start + at > size) {
        throw this.broken(`the string ${passed + 1} after byte ${this.position} is longer than the rest of the file`);
      }
      passed++;
    }
    this.#at = at;
    this.#checkLimit(0);
    return passed;
  }

  /** Counts memory that is kept. */
  keep(length: number): void {
    this.#kept += length;
    if (this.#kept > MAX_KEPT_BYTES) throw this.broken(`its metadata is larger than ${MAX_KEPT_BYTES} bytes`);
  }

  #checkLimit(length: number): void {
    if (this.position + length > MAX_HEADER_BYTES) {
      throw this.broken(`its header is longer than ${MAX_HEADER_BYTES} bytes`);
    }
  }

  // The readers below need `has` to have said yes.

  u8(): number {
    return this.#view.getUint8(this.#at++);
  }

  u32(): number {
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  /** @throws {AppError} malformed above 2^53 */
  u64(): number {
    const value = this.#view.getUint32(this.#at, true) + this.#view.getUint32(this.#at + 4, true) * HIGH;
    this.#at += 8;
    if (!Number.isSafeInteger(value)) throw this.broken(`the number at byte ${this.position - 8} is above 2^53`);
    return value;
  }

  i64(): number {
    const value = Number(this.#view.getBigInt64(this.#at, true));
    this.#at += 8;
    if (!Number.isSafeInteger(value)) throw this.broken(`the number at byte ${this.position - 8} is beyond ±2^53`);
    return value;
  }

  /** Any number of fixed size, by its view method. */
  number(size: number, get: (view: DataView, at: number) => number): number {
    const value = get(this.#view, this.#at);
    this.#at += size;
    return value;
  }

  text(length: number): string {
    const value = this.#text.decode(this.#window.subarray(this.#at, this.#at + length));
    this.#at += length;
    return value;
  }
}
