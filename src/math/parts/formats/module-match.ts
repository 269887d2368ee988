/** Lists of module names, as configs write them, each with its tool's own idea of a match. */

export type ModuleMatch = (names: readonly string[]) => boolean;

const NONE: ModuleMatch = () => false;

/** Patterns come from outside: longer ones are no names, and more of them are no list. */
const LONGEST_PATTERN = 300;

/** From the name's start; null for what is no expression, or none that such lists have. */
function compiled(source: string): RegExp | null {
  // Dots, stars, alternatives, digits. What is nested may take for ever.
  if (source.length > LONGEST_PATTERN || /[+*}?]\)?[+*{]|\([^()]*\(/.test(source)) return null;
  try {
    return new RegExp(`^(?:${source})`);
  } catch {
    return null;
  }
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
  const patterns = list.filter((entry) => /[*\\[(|+]/.test(entry)).flatMap((entry) => compiled(entry) ?? []);
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
  const patterns = list.filter((entry) => entry.startsWith("re:")).flatMap((entry) => compiled(entry.slice(3)) ?? []);
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
