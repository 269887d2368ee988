import { describe, expect, test } from "bun:test";
import { ggufChoices, pickChoice, recommendedChoice, safetensorsChoice } from "../../src/hub/picker.ts";
import { quantOfPath, stemWithoutQuant } from "../../src/hub/quant-name.ts";
import { errorIn } from "./app-error.ts";

const NAMES: [path: string, quant: string | null][] = [
  ["Qwen3-30B-A3B-Q4_K_M.gguf", "Q4_K_M"],
  ["qwen2.5-7b-instruct-q4_0-00001-of-00002.gguf", "Q4_0"],
  ["ggml-model-q4_k.gguf", "Q4_K"],
  ["llama-2-7b.Q8_0.gguf", "Q8_0"],
  ["Qwen3-Coder-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"],
  ["Qwen_Qwen3-30B-A3B-Q6_K_L.gguf", "Q6_K_L"],
  ["Qwen2.5-32B-Instruct.i1-IQ3_XXS.gguf", "IQ3_XXS"],
  ["model-fp16.gguf", "F16"],
  ["Phi-4-mini-instruct.BF16.gguf", "BF16"],
  ["gpt-oss-20b-mxfp4.gguf", "MXFP4"],
  ["DeepSeek-V3-0324-IQ2_K_R4-00001-of-00005.gguf", "IQ2_K_R4"],
  ["phi-4-q4.gguf", "Q4"],
  ["Q4_K_M/big-00001-of-00003.gguf", "Q4_K_M"],
  ["Q4_K_M/big-Q8_0.gguf", "Q8_0"],
  ["QwQ-32B.gguf", null],
  ["model-Q4_K_Mine.gguf", null],
  ["x.Q2_K-Q4_K_M.gguf", "Q4_K_M"],
];

test.each(NAMES)("quantOfPath %s → %p", (path, quant) => {
  expect(quantOfPath(path)).toBe(quant);
});

test("stemWithoutQuant is one for the quantisations of a model", () => {
  const same = ["Q4_K_M/M-1B-Q4_K_M-00001-of-00002.gguf", "M-1B.Q8_0.gguf", "M-1B-UD-Q2_K_XL.gguf", "M-1B.gguf"];
  expect(new Set(same.map(stemWithoutQuant))).toEqual(new Set(["m-1b"]));
  expect(stemWithoutQuant("N-1B-Q8_0.gguf")).toBe("n-1b");
  expect(stemWithoutQuant("7B/m-Q8_0.gguf")).toBe("7b/m");
  expect(stemWithoutQuant("13B/m-Q8_0.gguf")).toBe("13b/m");
});

const FILES = [
  { path: "README.md", size: 100 },
  { path: "m-Q4_K.gguf", size: 400 },
  { path: "m-Q4_K_M.gguf", size: 450 },
  { path: "m-UD-Q5_K_XL.gguf", size: 500 },
  { path: "Q8_0/m-Q8_0-00002-of-00002.gguf", size: 300 },
  { path: "Q8_0/m-Q8_0-00001-of-00002.gguf", size: 500 },
  { path: "m-F16-00001-of-00003.gguf", size: 900 },
  { path: "mmproj-m-F16.gguf", size: 50 },
  { path: "mtp-m-Q4_K_M.gguf", size: 20 },
  { path: "m-lora-F16.gguf", size: 10 },
  { path: "m.imatrix.gguf", size: 5 },
];

describe("ggufChoices", () => {
  const choices = ggufChoices(FILES);

  test("parts are one choice, and what is no model stands apart", () => {
    expect(choices.map(({ name, role, bytes }) => [name, role, bytes])).toEqual([
      ["Q4_K", "model", 400],
      ["Q4_K_M", "model", 450],
      ["UD-Q5_K_XL", "model", 500],
      ["Q8_0", "model", 800],
      ["F16", "model", 900],
      ["imatrix m.imatrix", "imatrix", 5],
      ["adapter F16", "adapter", 10],
      ["draft Q4_K_M", "draft", 20],
      ["mmproj F16", "projector", 50],
    ]);
  });

  test("parts are in order, and missing ones are counted", () => {
    expect(choices.find(({ name }) => name === "Q8_0")?.paths).toEqual([
      "Q8_0/m-Q8_0-00001-of-00002.gguf",
      "Q8_0/m-Q8_0-00002-of-00002.gguf",
    ]);
    expect(choices.find(({ name }) => name === "F16")?.missingParts).toBe(2);
  });

  test.each([
    ["Q4_K", "m-Q4_K.gguf"],
    ["q4_k_m", "m-Q4_K_M.gguf"],
    ["UD-Q5_K_XL", "m-UD-Q5_K_XL.gguf"],
    ["Q5_K_XL", "m-UD-Q5_K_XL.gguf"],
    ["Q8_0", "Q8_0/m-Q8_0-00001-of-00002.gguf"],
    ["m-Q8_0-00002-of-00002.gguf", "Q8_0/m-Q8_0-00001-of-00002.gguf"],
    ["mmproj-m-F16.gguf", "mmproj-m-F16.gguf"],
  ])("picks %s", (pick, first) => {
    expect(pickChoice("o/n", choices, pick).paths[0]).toBe(first);
  });

  test.each(["Q4", "Q4_K_", "Q4_K_S", "4_K_M", "K_M", "none.gguf"])("does not take a part of a name: %s", (pick) => {
    const error = errorIn(() => pickChoice("o/n", choices, pick));
    expect(error.code).toBe("not_found");
    expect(error.hint).toMatch(/Q4_K, Q4_K_M, UD-Q5_K_XL, Q8_0, F16/);
  });

  test("two models of one quantisation must be told apart by file", () => {
    const two = ggufChoices([
      { path: "a-Q4_0.gguf", size: 1 },
      { path: "b-Q4_0.gguf", size: 2 },
    ]);
    const error = errorIn(() => pickChoice("o/n", two, "Q4_0"));
    expect(error.code).toBe("usage");
    expect(error.hint).toMatch(/a-Q4_0\.gguf, b-Q4_0\.gguf/);
  });

  test("recommends Q4_K_M, then Q8_0, and never a choice with missing parts", () => {
    expect(recommendedChoice(choices)?.name).toBe("Q4_K_M");
    expect(recommendedChoice(choices.filter(({ name }) => name === "Q8_0" || name === "F16"))?.name).toBe("Q8_0");
    expect(recommendedChoice(choices.filter(({ name }) => name === "F16"))).toBeNull();
  });
});

describe("safetensorsChoice", () => {
  const files = [
    { path: "model-00001-of-00002.safetensors", size: 600 },
    { path: "model-00002-of-00002.safetensors", size: 200 },
    { path: "consolidated.safetensors", size: 800 },
    { path: "original/model.safetensors", size: 800 },
  ];

  test("counts each weight once: 800 bytes of 400 parameters are 16 bits each", () => {
    const choice = safetensorsChoice(files, null, 400);
    expect(choice).toMatchObject({ name: "safetensors", bytes: 800, bitsPerWeight: 16, missingParts: 0 });
  });

  test("takes the files that an index names, and counts those that are not there", () => {
    const named = ["model-00002-of-00002.safetensors", "model-00003-of-00003.safetensors"];
    expect(safetensorsChoice(files, named, null)).toMatchObject({ bytes: 200, bitsPerWeight: null, missingParts: 1 });
    expect(safetensorsChoice([], null, null)).toBeNull();
  });
});
