import { expect, test } from "bun:test";
import fc from "fast-check";
import { AppError } from "../src/errors.ts";
import { parseRequest } from "../src/request.ts";
import { REQUEST_FIELDS } from "../src/request-fields.ts";

test("null is the same as left out", () => {
  const all = Object.fromEntries(REQUEST_FIELDS.map((field) => [field.field, null]));
  expect(parseRequest({ model: "m", ...all })).toEqual(parseRequest({ model: "m" }));
});

test.each([
  [5, "Cannot read a request from 5"],
  [null, "Cannot read a request from null"],
  [[], "Cannot read a request from []"],
  [{}, 'Cannot plan without "model"'],
  [{ model: "" }, 'Cannot plan with "model" ""'],
  [{ model: 7 }, 'Cannot plan with "model" 7'],
  [{ model: "m", contxt: 1 }, 'Cannot use the field "contxt" of a request: there is no such field'],
  [{ model: "m", context: "8192" }, 'Cannot plan with "context" "8192": an integer from 1 to 134217728 is wanted'],
  [{ model: "m", context: 1.5 }, 'Cannot plan with "context" 1.5'],
  [{ model: "m", swa_full: "yes" }, 'Cannot plan with "swa_full" "yes": true or false is wanted'],
  [{ model: "m", tensor_split: "3,1" }, 'Cannot plan with "tensor_split" "3,1": a list of numbers is wanted'],
  [
    { model: "m", tensor_split: [0, 0] },
    'Cannot plan with "tensor_split" [0,0]: at least one number above 0 is wanted',
  ],
  [
    { model: "m", tensor_split: [1e39, 1] },
    'Cannot plan with "tensor_split" [1e+39,1]: numbers that a 32-bit float holds are wanted',
  ],
  [
    { model: "m", tensor_split: [1e-50, 0] },
    'Cannot plan with "tensor_split" [1e-50,0]: numbers that a 32-bit float holds are wanted',
  ],
  [{ model: "m", engine: "lama.cpp" }, 'Cannot plan with "engine" "lama.cpp": one of llama.cpp,'],
  [{ model: "x".repeat(5000) }, 'Cannot plan with "model" "xxx'],
] as const)("%p is refused", (value, message) => {
  let thrown: unknown;
  try {
    parseRequest(value);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(AppError);
  if (!(thrown instanceof AppError)) return;
  expect(thrown.code).toBe("usage");
  expect(thrown.message).toStartWith(message);
  expect(thrown.message.length).toBeLessThan(300);
});

test("a mistyped field has its neighbour as a hint", () => {
  expect(() => parseRequest({ model: "m", contxt: 1 })).toThrow(AppError);
  try {
    parseRequest({ model: "m", contxt: 1 });
  } catch (error) {
    expect(error instanceof AppError ? error.hint : null).toBe("did you mean context?");
  }
});

test("any value is a request or an AppError of one line", () => {
  const fields = fc.constantFrom("model", ...REQUEST_FIELDS.map((field) => field.field), "__proto__", "constructor");
  const value = fc.oneof(fc.jsonValue(), fc.dictionary(fields, fc.jsonValue(), { maxKeys: 5 }));
  fc.assert(
    fc.property(value, (v) => {
      try {
        expect(parseRequest(v).model).toBeString();
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
        expect(error instanceof AppError ? error.message : "\n").not.toContain("\n");
      }
    }),
    { numRuns: 1000 },
  );
});
