/**
 * Names that come from the hub and become addresses or paths here: a file's path in a repository, and a repository's id.
 * Neither can lead out of where it belongs.
 */
export function isRepoPath(path: string): boolean {
  return (
    path.length > 0 &&
    path.length <= 1024 &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal would obey them
    !/[\\\u0000-\u001f\u007f-\u009f]/.test(path) &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}

/** Letters, digits, `-`, `_`, `.`; as the hub has it: 96 at most, no `--`, no `..`, neither `-` nor `.` at an end. */
const NAME = /^(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?$/;

/** `org/name`, or an old `name` alone. */
export function isRepoId(id: string): boolean {
  const parts = id.split("/");
  return parts.length <= 2 && parts.every((part) => NAME.test(part));
}
