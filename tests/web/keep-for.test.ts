import { expect, test } from "bun:test";
import { keepFor } from "../../src/web/keep-for.ts";

test("an answer is kept for its time, a failure is not, and two who ask at once share one", async () => {
  let time = 0;
  const asked: string[] = [];
  const get = keepFor(
    10,
    2,
    async (key) => {
      asked.push(key);
      if (key === "bad") throw new Error("no");
      return `${key}${asked.length}`;
    },
    () => time,
  );
  expect(await Promise.all([get("a"), get("a")])).toEqual(["a1", "a1"]);
  time = 9;
  expect(await get("a")).toBe("a1");
  time = 10;
  expect(await get("a")).toBe("a2");
  await expect(get("bad")).rejects.toThrow("no");
  await expect(get("bad")).rejects.toThrow("no");
  expect(asked.filter((key) => key === "bad")).toHaveLength(2);
});

test("only the latest few are kept", async () => {
  const asked: string[] = [];
  const get = keepFor(
    1_000,
    2,
    async (key) => asked.push(key),
    () => 0,
  );
  for (const key of ["a", "b", "c", "a"]) await get(key);
  expect(asked).toEqual(["a", "b", "c", "a"]);
});
