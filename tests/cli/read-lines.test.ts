import { expect, test } from "bun:test";
import fc from "fast-check";
import { type InputLine, readLines } from "../../src/cli/read-lines.ts";

async function linesOf(pieces: readonly Uint8Array[], most?: number): Promise<InputLine[]> {
  const input = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  const lines: InputLine[] = [];
  for await (const some of readLines(input, most)) lines.push(...some);
  return lines;
}

test("however the bytes are cut, the lines are the text's", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.string({ unit: "grapheme", maxLength: 8 }).map((s) => s.replaceAll("\n", "")),
        { maxLength: 6 },
      ),
      fc.array(fc.nat(60), { maxLength: 6 }),
      async (texts, cuts) => {
        const bytes = new TextEncoder().encode(texts.map((t) => `${t}\n`).join(""));
        const at = [0, ...cuts.map((c) => Math.min(c, bytes.length)).toSorted((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        const lines = await linesOf(pieces);
        expect(lines.map((line) => line.text)).toEqual(texts);
        expect(lines.map((line) => line.number)).toEqual(texts.map((_, i) => i + 1));
      },
    ),
  );
});

test("a last line without an end counts, an empty rest does not", async () => {
  const encode = (text: string) => [new TextEncoder().encode(text)];
  expect((await linesOf(encode("a\nb"))).map((line) => line.text)).toEqual(["a", "b"]);
  expect((await linesOf(encode("a\n"))).map((line) => line.text)).toEqual(["a"]);
  expect(await linesOf([])).toEqual([]);
});

test("a line past the bound is told by its number and not kept", async () => {
  const pieces = ["ok\n", "x".repeat(30), "x".repeat(30), "x\nnext\n", "y".repeat(21), "\n", "z".repeat(25)];
  const lines = await linesOf(
    pieces.map((text) => new TextEncoder().encode(text)),
    20,
  );
  expect(lines).toEqual([
    { text: "ok", number: 1, tooLong: false },
    { text: "", number: 2, tooLong: true },
    { text: "next", number: 3, tooLong: false },
    { text: "", number: 4, tooLong: true },
    { text: "", number: 5, tooLong: true },
  ]);
});
