/** A stream of bytes as lines, the lines of each piece together, with a bound on the length of one. */

export interface InputLine {
  readonly text: string;
  /** From 1. */
  readonly number: number;
  /** Longer than the bound: `text` is empty. */
  readonly tooLong: boolean;
}

export const MAX_LINE_CHARACTERS = 2 ** 20;

export async function* readLines(
  input: ReadableStream<Uint8Array>,
  maxCharacters: number = MAX_LINE_CHARACTERS,
): AsyncGenerator<readonly InputLine[]> {
  const decoder = new TextDecoder();
  let rest = "";
  let skipping = false;
  let number = 0;
  const lineOf = (text: string): InputLine => {
    const tooLong = skipping || text.length > maxCharacters;
    skipping = false;
    number++;
    return { text: tooLong ? "" : text, number, tooLong };
  };
  for await (const piece of input) {
    const parts = `${rest}${decoder.decode(piece, { stream: true })}`.split("\n");
    rest = parts.pop() ?? "";
    const lines = parts.map(lineOf);
    if (rest.length > maxCharacters) {
      // The line's end has not come yet, and what has is not worth its memory.
      skipping = true;
      rest = "";
    }
    if (lines.length > 0) yield lines;
  }
  rest += decoder.decode();
  if (rest !== "" || skipping) yield [lineOf(rest)];
}
