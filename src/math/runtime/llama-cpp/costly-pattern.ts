/** About as long as tensors' names are ("blk.10.ffn_gate_exps.weight"). */
const LETTERS = 32;
/** Ways through a pattern that are tried within a few milliseconds. */
const MOST_WAYS = 2 ** 20;

interface Group {
  readonly choices: number;
  /** Holds a repetition or a choice. */
  readonly varies: boolean;
}

/**
 * Whether a regular expression could take a matcher very long on a tensor's name:
 *   choices of its groups multiplied, times 32 for each repetition (* + {), times 2 for each "?", more than 2^20;
 *   or a repeated group with a repetition or a choice in it, for which 2^letters ways are tried.
 * An upper bound, and blunt: a pattern that is refused can be written shorter.
 */
export function isCostly(pattern: string): boolean {
  // What stands in a class or behind a backslash repeats nothing.
  const bare = pattern.replace(/\\[\s\S]/g, "a").replace(/\[[^\]]*\]/g, "a");
  let group: Group = { choices: 1, varies: false };
  const around: Group[] = [];
  let ways = 1;
  for (let i = 0; i < bare.length; i++) {
    switch (bare[i]) {
      case "(":
        around.push(group);
        group = { choices: 1, varies: false };
        break;
      case ")": {
        if (group.varies && /[*+{]/.test(bare[i + 1] ?? "")) return true;
        ways *= group.choices;
        const outer = around.pop() ?? { choices: 1, varies: false };
        group = { ...outer, varies: outer.varies || group.varies };
        break;
      }
      case "|":
        group = { choices: group.choices + 1, varies: true };
        break;
      case "*":
      case "+":
      case "{":
        ways *= LETTERS;
        group = { ...group, varies: true };
        break;
      case "?":
        // Behind "(" it begins a group's kind, behind a repetition it makes that lazy.
        if (/[(*+?}]/.test(bare[i - 1] ?? "")) break;
        ways *= 2;
        group = { ...group, varies: true };
        break;
    }
    if (ways > MOST_WAYS) return true;
  }
  return false;
}
