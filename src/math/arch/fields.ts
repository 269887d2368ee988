/**
 * Reads single fields of a config.json or of a GGUF's metadata and collects what is missing, of the wrong kind or out of
 * bounds, so that a family reads everything first and then answers once, naming all of it. Values handed out for a broken
 * field are placeholders: nobody may build from them once `problems` is not empty (family-builder.ts sees to that).
 */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** Wide enough for any model, narrow enough that a broken file costs neither memory nor exactness (2^53). */
export const LIMITS = {
  layers: { min: 1, max: 4096 },
  width: { min: 1, max: 2 ** 24 },
  heads: { min: 1, max: 2 ** 16 },
  headDim: { min: 1, max: 2 ** 16 },
  experts: { min: 1, max: 2 ** 16 },
  vocabulary: { min: 1, max: 2 ** 24 },
  context: { min: 1, max: 2 ** 40 },
} as const satisfies Record<string, Bounds>;

/** 0 as well, where the format uses it for "none". */
export function orNone(bounds: Bounds): Bounds {
  return { min: 0, max: bounds.max };
}

/** A list that is there, and too long to have been kept: of whatever was asked for, it is none. */
export class UnkeptList {
  readonly length: number;

  constructor(length: number) {
    this.length = length;
  }
}

export class Fields {
  /** Names of fields that are not there or cannot be used. */
  readonly missing: string[] = [];
  /** One clause each: what is, and what is wanted. */
  readonly problems: string[] = [];
  readonly warnings: string[] = [];
  private readonly source: (key: string) => unknown;
  private readonly fallbacks = new Map<string, unknown>();
  private readonly label: (key: string) => string;

  constructor(lookup: (key: string) => unknown, label: (key: string) => string = (key) => key) {
    this.source = lookup;
    this.label = label;
  }

  /** Values that the format itself defines for absent fields (a config class's own defaults), never ours. */
  assume(defaults: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(defaults)) this.fallbacks.set(key, value);
  }

  has(key: string): boolean {
    const value = this.lookup(key);
    return value !== undefined && value !== null;
  }

  /** Whether it is exactly this. */
  is(key: string, value: string | number | boolean): boolean {
    return this.lookup(key) === value;
  }

  holdsString(key: string): boolean {
    return typeof this.lookup(key) === "string";
  }

  holdsList(key: string): boolean {
    return Array.isArray(this.lookup(key));
  }

  int(key: string, bounds: Bounds): number {
    if (!this.has(key)) return this.absent(key, bounds.min);
    return this.optionalInt(key, bounds) ?? bounds.min;
  }

  /** null when absent; a problem when present and not a whole number within the bounds. */
  optionalInt(key: string, bounds: Bounds): number | null {
    if (!this.has(key)) return null;
    const value = this.lookup(key);
    if (isIntWithin(value, bounds)) return value;
    return this.wrong(key, value, `a whole number from ${bounds.min} to ${bounds.max}`);
  }

  optionalNumber(key: string): number | null {
    if (!this.has(key)) return null;
    const value = this.lookup(key);
    if (typeof value === "number" && Number.isFinite(value)) return value;
    return this.wrong(key, value, "a number");
  }

  optionalBool(key: string): boolean | null {
    if (!this.has(key)) return null;
    const value = this.lookup(key);
    if (typeof value === "boolean") return value;
    return this.wrong(key, value, "true or false");
  }

  optionalString(key: string): string | null {
    if (!this.has(key)) return null;
    const value = this.lookup(key);
    if (typeof value === "string") return value;
    return this.wrong(key, value, "a string");
  }

  optionalList(key: string): readonly unknown[] | null {
    if (!this.has(key)) return null;
    const value = this.lookup(key);
    if (Array.isArray(value)) return value;
    return this.wrong(key, value, "a list");
  }

  optionalObject(key: string): Readonly<Record<string, unknown>> | null {
    if (!this.has(key)) return null;
    const value = this.lookup(key);
    if (isRecord(value)) return value;
    return this.wrong(key, value, "an object");
  }

  /** One value for all layers, or a list with one for each: GGUF writes either. null when absent. */
  optionalPerLayer(key: string, layers: number, bounds: Bounds): readonly number[] | null {
    if (!this.has(key)) return null;
    const value = this.lookup(key);
    if (!Array.isArray(value)) {
      const one = this.optionalInt(key, bounds);
      return one === null ? null : repeat(one, layers);
    }
    // llama.cpp wants a list at least as long as the layers and reads its start
    if (value.length < layers) return this.wrong(key, value, `one number or a list of ${layers}`);
    const list: number[] = [];
    for (const item of value.slice(0, layers)) {
      if (!isIntWithin(item, bounds)) {
        return this.wrong(key, item, `whole numbers from ${bounds.min} to ${bounds.max} in its list`);
      }
      list.push(item);
    }
    return list;
  }

  perLayer(key: string, layers: number, bounds: Bounds): readonly number[] {
    if (!this.has(key)) return repeat(this.absent(key, bounds.min), layers);
    return this.optionalPerLayer(key, layers, bounds) ?? repeat(bounds.min, layers);
  }

  warn(text: string): void {
    this.warnings.push(text);
  }

  /** A sentence's worth of why these bytes cannot be told. */
  refuse(clause: string): void {
    this.problems.push(clause);
  }

  private lookup(key: string): unknown {
    return this.source(key) ?? this.fallbacks.get(key);
  }

  private absent(key: string, placeholder: number): number {
    this.missing.push(this.label(key));
    this.problems.push(`${this.label(key)} is missing`);
    return placeholder;
  }

  private wrong(key: string, value: unknown, wanted: string): null {
    this.missing.push(this.label(key));
    this.problems.push(`${this.label(key)} is ${describe(value)}: ${wanted} is wanted`);
    return null;
  }
}

export function repeat(value: number, times: number): readonly number[] {
  return Array.from({ length: times }, () => value);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isIntWithin(value: unknown, { min, max }: Bounds): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max;
}

/** A name from a file as a sentence holds it: cut short, and with nothing in it that a terminal would obey. */
export function quote(name: string, most = 80): string {
  return JSON.stringify(name.slice(0, most)).replace(/[\u007f-\u009f]/g, "\ufffd");
}

function describe(value: unknown): string {
  if (typeof value === "string") return `${quote(value, 40)} (a string)`;
  if (Array.isArray(value) || value instanceof UnkeptList) return `a list of ${value.length}`;
  if (typeof value === "object") return "an object";
  return String(value);
}
