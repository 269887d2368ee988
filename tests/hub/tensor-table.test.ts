import { expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { MOST_TABLE_FILES, readTensorTable } from "../../src/hub/tensor-table.ts";
import { errorOf } from "./app-error.ts";

const files = new Map([
  ["a", [{ name: "x", bytes: 1 }]],
  ["b", [{ name: "y", bytes: 2 }]],
  ["c", [{ name: "x", bytes: 3 }]],
]);

async function read(path: string) {
  const tensors = files.get(path);
  if (tensors === undefined) throw new AppError("not_found", `no ${path}`);
  return tensors;
}

test("the tables of all files, in their order", async () => {
  expect(await readTensorTable(["b", "a"], read)).toEqual([
    { name: "y", bytes: 2 },
    { name: "x", bytes: 1 },
  ]);
});

test("a tensor in two files is none of a model's", async () => {
  const error = await errorOf(readTensorTable(["a", "b", "c"], read));
  expect(error).toMatchObject({
    code: "malformed",
    message: 'Cannot read "c": the tensor "x" is in another file as well',
  });
});

test("what one file answers is the answer", async () => {
  expect(await errorOf(readTensorTable(["a", "gone"], read))).toMatchObject({ code: "not_found" });
});

test("more files than any model has are not asked for", async () => {
  const many = Array.from({ length: MOST_TABLE_FILES + 1 }, (_, i) => String(i));
  expect(await errorOf(readTensorTable(many, read))).toMatchObject({ code: "unsupported" });
});
