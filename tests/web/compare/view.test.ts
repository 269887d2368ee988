import { describe, expect, test } from "bun:test";
import { NO_OPTIONS } from "../../../src/math/options.ts";
import { type ComparePage, comparePage } from "../../../src/web/compare/view.ts";
import { SLIDING_PLAN } from "../../cli/sliding-plan.ts";

const MIB = 2 ** 20;
const [DEVICE] = SLIDING_PLAN.memory.by_device;
if (DEVICE === undefined) throw new Error("the plan has a device");

const PLANNED = {
  ...SLIDING_PLAN,
  options: { ...SLIDING_PLAN.options, weights: "Q4_K_M", device: "rtx-4090" },
  memory: {
    ...SLIDING_PLAN.memory,
    by_device: [
      { ...DEVICE, device: "CUDA0", total_bytes: 2900 * MIB, free_bytes: 1196 * MIB },
      { ...DEVICE, device: "CPU", total_bytes: 100 * MIB, free_bytes: null },
    ],
  },
};
const REFUSED = {
  ...PLANNED,
  status: "error" as const,
  memory: { ...PLANNED.memory, total_bytes: null, by_device: [] },
  error: { code: "usage", message: "It runs on <other> cards", hint: null },
};

/** Planned over two cards, without the form's own cache type, which the engine does not have. */
const ASKED = { weights: "Q4_K_M", options: { ...NO_OPTIONS, context: 4096, tensorParallel: 2 } };

const PAGE: ComparePage = {
  form: { model: "org/model", device: "rtx-4090", kv_type: "q4_0" },
  everyWeights: false,
  errors: {},
  rows: [
    { result: PLANNED, difference: "It keeps all & more.", asked: ASKED },
    { result: REFUSED, difference: null, asked: ASKED },
  ],
  problem: null,
  here: null,
  devices: [],
};

const words = (markup: string): string => markup.replace(/<[^>]+>/g, " ").replace(/\s+/g, " ");

describe("the Compare page", () => {
  const text = comparePage(PAGE).toString();

  test("a row: engine, weights, machine, verdict, memory of what there is, the command", () => {
    // 3000 MiB; the card gives 2900 + 1196 = 4096 MiB, beside 100 in system memory: 4196 MiB = 4.1 GiB.
    expect(words(text)).toContain("2.9 of 4.1");
    expect(words(text)).toContain("1.2 GiB to spare on CUDA0");
    expect(text).toContain(
      'href="/plan?model=org/model&amp;device=rtx-4090&amp;context=4096&amp;weights=Q4_K_M&amp;tensor_parallel=2"',
    );
    expect(words(text)).toContain(SLIDING_PLAN.command ?? "no command");
  });

  test("what cannot run stands apart, with its reason as text", () => {
    expect(words(text)).toContain("1 of 2 combinations run");
    expect(text).toContain("It runs on &lt;other&gt; cards.");
    expect(text).toContain("It keeps all &amp; more.");
  });

  test("without a model it says what to do; a wrong field keeps what was written", () => {
    expect(words(comparePage({ ...PAGE, form: {}, rows: [] }).toString())).toContain("Name a model");
    const wrong = comparePage({ ...PAGE, rows: [], form: { model: "m", context: "many" }, errors: { context: "No." } });
    expect(wrong.toString()).toContain('value="many"');
    expect(wrong.toString()).toContain('aria-describedby="ce-context"');
  });
});
