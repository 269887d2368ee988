/** Names of a split model's files, as llama-gguf-split gives them and llama.cpp looks for them: `name-00001-of-00003.gguf`. */
const PATTERN = /^(?<stem>.*)-(?<no>\d{5})-of-(?<count>\d{5})\.gguf$/;

export interface ShardName {
  /** The path without the part's number. */
  readonly stem: string;
  /** From 0. */
  readonly no: number;
  readonly count: number;
}

/** null when the name is not a part's, or says something impossible (part 4 of 3). */
export function parseShardName(path: string): ShardName | null {
  const groups = PATTERN.exec(path)?.groups;
  if (groups === undefined) return null;
  const no = Number(groups.no) - 1;
  const count = Number(groups.count);
  return no >= 0 && no < count ? { stem: groups.stem ?? "", no, count } : null;
}

export function shardPath({ stem, count }: ShardName, no: number): string {
  const digits = (n: number) => String(n).padStart(5, "0");
  return `${stem}-${digits(no + 1)}-of-${digits(count)}.gguf`;
}
