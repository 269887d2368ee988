/**
 * config.json's quantization_config (or MLX's `quantization`) read into rules: which module gets which layout. What the
 * fields mean is the tools' own; a method or a number that no rule here knows makes the weights unknown, by its name.
 */
import { isRecord, quote } from "../../arch/fields.ts";
import type { FormatMethod } from "./format.ts";
import type { Scheme } from "./scheme.ts";
import type { TensorKind } from "./tensor-kind.ts";

/** A matrix as the rules see it. */
export interface Module {
  readonly names: readonly string[];
  readonly kind: TensorKind;
  /** The row's length decides where a tool leaves a matrix alone. */
  readonly inSize: number;
  /** A router that mlx-lm's model holds as a plain parameter. */
  readonly plainRouter: boolean;
}

export interface Rules {
  readonly id: string;
  readonly method: FormatMethod;
  /** null: not quantised. */
  readonly schemeOf: (module: Module) => Scheme | null;
}

export type Block = Readonly<Record<string, unknown>>;

/** Thrown inside, and caught by readQuantization: what no rule knows. */
export class UnknownQuantization extends Error {
  readonly field: string;
  constructor(field: string, value: unknown) {
    const shown = typeof value === "string" ? quote(value, 60) : (JSON.stringify(value) ?? "nothing").slice(0, 60);
    super(`${field} is ${shown}, of which hwLedger does not know what it takes`);
    this.field = field;
  }
}

export function numberOf(block: Block, key: string, at: string, allowed: (n: number) => boolean): number {
  const value = block[key];
  if (typeof value === "number" && Number.isFinite(value) && allowed(value)) return value;
  throw new UnknownQuantization(`${at}.${key}`, value);
}

/** The strings of a list; anything else counts as an empty one. */
export function namesOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === "string") : [];
}

export function blockOf(value: unknown): Block | null {
  return isRecord(value) ? value : null;
}

export const isLayerMatrix = ({ kind }: Module): boolean => kind === "linear" || kind === "expert";
