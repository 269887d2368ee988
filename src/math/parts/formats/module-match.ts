/** Lists of module names, as configs write them, each with its tool's own idea of a match. */

import { UnknownQuantization } from "./quantization.ts";

export type ModuleMatch = (names: readonly string[]) => boolean;

const NONE: ModuleMatch = () => false;

/** Lists come from outside: what is longer, or may take for ever, is said to be unknown and not left out. */
const LONGEST_PATTERN = 300;
const MOST_EXPRESSIONS = 300;
const MOST_REPEATS = 5;
const LIST = "quantization_config's list of modules";

/** From the name's start. @throws {UnknownQuantization} */
function compiled(source: string): RegExp {
  const repeats = source.match(/[*+]|\{\d/g)?.length ?? 0;
  // A repeated group, or one repetition upon another, may take exponentially long.
  const endless = repeats > MOST_REPEATS || /\)[*+{]|[*+][*+{]|\\[1-9]/.test(source);
  const pattern = endless || source.length > LONGEST_PATTERN ? null : expression(`^(?:${source})`);
  if (pattern === null) throw new UnknownQuantization(LIST, source);
  return pattern;
}

function expression(source: string): RegExp | null {
  try {
    return new RegExp(source);
  } catch {
    return null;
  }
}

function allCompiled(sources: readonly string[]): readonly RegExp[] {
  if (sources.length > MOST_EXPRESSIONS) throw new UnknownQuantization(LIST, sources.length);
  return sources.map(compiled);
}

function prefixes(name: string): readonly string[] {
  const parts = name.split(".");
  return parts.map((_, i) => parts.slice(0, i + 1).join("."));
}

function suffixes(name: string): readonly string[] {
  const parts = name.split(".");
  return parts.map((_, i) => parts.slice(i).join("."));
}

/**
 * A module, what holds it, how its name ends, or a part of it; also a regular expression from the name's start. Tools differ:
 * transformers takes start and end, AutoAWQ and vLLM any part.
 * @source transformers 5.24 quantizers/quantizers_utils.py should_convert_module; vLLM quantization/awq.py is_layer_skipped_awq
 */
export function byModule(list: readonly string[]): ModuleMatch {
  if (list.length === 0) return NONE;
  const plain = new Set(list);
  const patterns = allCompiled(list.filter((entry) => /[*\\[(|+]/.test(entry)));
  return (names) =>
    names.some(
      (name) =>
        prefixes(name).some((part) => plain.has(part)) ||
        suffixes(name).some((part) => plain.has(part)) ||
        name.split(".").some((part) => plain.has(part)) ||
        patterns.some((pattern) => pattern.test(name)),
    );
}

/** A whole name, or "re:" and a regular expression from its start. @source compressed-tensors 0.20.0 utils/match.py match_name */
export function byNameOrExpression(list: readonly string[]): ModuleMatch {
  if (list.length === 0) return NONE;
  const plain = new Set(list);
  const patterns = allCompiled(list.filter((entry) => entry.startsWith("re:")).map((entry) => entry.slice(3)));
  return (names) => names.some((name) => plain.has(name) || patterns.some((pattern) => pattern.test(name)));
}

/** Names with "*" for anything, as modelopt writes them; a name stands for what it holds as well. */
export function byGlob(list: readonly string[]): ModuleMatch {
  if (list.length === 0) return NONE;
  const plain = new Set(list.filter((entry) => !entry.includes("*")));
  const patterns = list
    .filter((entry) => entry.includes("*") && entry.length <= LONGEST_PATTERN)
    .map((entry) => entry.split("*"));
  return (names) =>
    names.some(
      (name) => prefixes(name).some((part) => plain.has(part)) || patterns.some((parts) => matchesGlob(name, parts)),
    );
}

/** In one pass, whatever the pattern: its parts follow one another. */
function matchesGlob(name: string, parts: readonly string[]): boolean {
  const [first = "", ...rest] = parts;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const [i, part] of rest.entries()) {
    if (i === rest.length - 1) return part === "" || (name.endsWith(part) && name.length - part.length >= at);
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at === name.length;
}
