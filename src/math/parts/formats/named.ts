/** Formats that a name alone describes: "gptq-4bit-g128", "w4a16", "fp8-block", "exl3-4.0bpw". */
import type { FormatMethod, WeightFormat } from "./format.ts";
import { formatOfRecipe } from "./recipe.ts";
import type { Scheme } from "./scheme.ts";
import { awq, BNB_INT8, bnb4, eightBit, exl3, gptq, MXFP4, NVFP4, packedInt, torchao4 } from "./schemes.ts";
import type { TensorKind } from "./tensor-kind.ts";

/** What nearly every tool quantises: the layers' linear maps, experts too; no router, embedding or head. */
const LAYERS: ReadonlySet<TensorKind> = new Set(["linear", "expert"]);
/** bitsandbytes replaces every linear layer but the head. @source transformers 5.24 integrations/bitsandbytes.py */
const LINEAR_LAYERS: ReadonlySet<TensorKind> = new Set(["linear", "expert", "router"]);

function ofLayers(id: string, method: FormatMethod, scheme: Scheme, kinds = LAYERS): WeightFormat {
  const schemes = [scheme];
  return formatOfRecipe({
    id,
    method,
    basis: "modelled",
    floatBytes: 2,
    schemesOf: (kind) => (kinds.has(kind) ? schemes : []),
  });
}

type Maker = (id: string, ...groups: readonly (string | undefined)[]) => WeightFormat | null;

const between = (n: number, low: number, high: number): boolean => Number.isInteger(n) && n >= low && n <= high;
const GPTQ_BITS: ReadonlySet<number> = new Set([2, 3, 4, 8]);

/** "g128" → 128, "channel" → 0; nothing: what tools take when nothing is said. */
function group(text: string | undefined): number | null {
  if (text === undefined) return 128;
  if (text === "channel") return 0;
  const n = Number(text.slice(1));
  return between(n, 8, 4096) ? n : null;
}

const integers: Maker = (id, bits, text) => {
  const inputs = group(text);
  if (inputs === null || !GPTQ_BITS.has(Number(bits))) return null;
  return ofLayers(id, "gptq", gptq(Number(bits), inputs));
};

const weightOnly: Maker = (id, bits, text) => {
  const inputs = group(text);
  return inputs === null ? null : ofLayers(id, "compressed-tensors", packedInt(Number(bits), inputs, SYMMETRIC));
};
const SYMMETRIC = { symmetric: true, ordered: false };

const trellis: Maker = (id, bpw, head = "6") => {
  const bits = Number(bpw);
  // Whole and half bits for a matrix; an average between them is a mixture of matrices.
  if (!(bits >= 1 && bits <= 8) || !between(Number(head), 1, 8)) return null;
  const body = [exl3(bits)];
  const tiedHead = exl3(Number(head));
  return formatOfRecipe({
    id,
    method: "exl3",
    basis: "modelled",
    floatBytes: 2,
    tiedHead,
    schemesOf: (kind) => (kind === "head" ? [tiedHead] : LAYERS.has(kind) ? body : []),
  });
};

/** As gpt-oss has it: experts alone; of a model without experts, its layers. */
const mxfp4: Maker = (id) => {
  const schemes = [MXFP4];
  return formatOfRecipe({
    id,
    method: "mxfp4",
    basis: "modelled",
    floatBytes: 2,
    schemesOf: (kind, _, { model }) => {
      const sparse = model.layers.some(({ feedForward }) => feedForward.kind === "moe");
      return kind === "expert" || (kind === "linear" && !sparse) ? schemes : [];
    },
  });
};

/** Two scales would be one too many: DeepSeek's and Qwen's files hold one for 128 x 128 weights. */
const BLOCK: readonly [number, number] = [128, 128];

const NAMES: readonly (readonly [RegExp, Maker])[] = [
  [/^fp8$/, (id) => ofLayers(id, "fp8", eightBit("tensor", 32, 0))],
  [/^fp8-static$/, (id) => ofLayers(id, "fp8", eightBit("tensor", 32, 32))],
  [/^(?:fp8-dynamic|w8a8-fp8)$/, (id) => ofLayers(id, "fp8", eightBit("channel", 16, 0))],
  [/^fp8-block$/, (id) => ofLayers(id, "fp8-block", eightBit(BLOCK, 32, 0))],
  [/^(?:int8|w8a8-int8)$/, (id) => ofLayers(id, "int8", eightBit("channel", 16, 0))],
  [/^gptq-(\d)bit(?:-(g\d+|channel))?$/, integers],
  [
    /^awq-4bit(?:-(g\d+))?$/,
    (id, text) => {
      const inputs = group(text);
      return inputs === null ? null : ofLayers(id, "awq", awq(4, inputs));
    },
  ],
  [/^w([48])a16(?:-(g\d+|channel))?$/, weightOnly],
  [/^nvfp4$/, (id) => ofLayers(id, "nvfp4", NVFP4)],
  [/^mxfp4$/, mxfp4],
  [/^bnb-(?:nf4|fp4|4bit)$/, (id) => ofLayers(id, "bitsandbytes", bnb4(false), LINEAR_LAYERS)],
  [/^bnb-(?:nf4|fp4|4bit)-dq$/, (id) => ofLayers(id, "bitsandbytes", bnb4(true), LINEAR_LAYERS)],
  [/^bnb-(?:int8|8bit)$/, (id) => ofLayers(id, "bitsandbytes", BNB_INT8, LINEAR_LAYERS)],
  [/^exl3-(\d(?:\.\d+)?)bpw(?:-h(\d))?$/, trellis],
  [
    /^torchao-int4(?:-(g\d+))?$/,
    (id, text) => {
      const inputs = group(text);
      return inputs === null ? null : ofLayers(id, "torchao", torchao4(inputs));
    },
  ],
  [/^torchao-int8$/, (id) => ofLayers(id, "torchao", eightBit("channel", 16, 0))],
  [/^torchao-fp8$/, (id) => ofLayers(id, "torchao", eightBit("channel", 32, 0))],
];

export function parseNamed(id: string): WeightFormat | null {
  for (const [pattern, make] of NAMES) {
    const match = pattern.exec(id);
    if (match !== null) return make(id, ...match.slice(1));
  }
  return null;
}
