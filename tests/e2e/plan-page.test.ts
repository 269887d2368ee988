import { afterAll, beforeAll, describe, expect } from "bun:test";
import * as axeCore from "axe-core";
import type { Page } from "playwright-core";
import type { PlanResult } from "../../src/math/result.ts";
import { LLAMA_GGUF, TINY_LLAMA } from "../fakes/hub-models.ts";
import { firstReason, requires, testIf } from "../requires.ts";
import { atRest, type Program, startProgram, visit } from "./program.ts";

const reason = requires.chromium();
const TIMEOUT = 60_000;
const PLAN = `/plan?model=${LLAMA_GGUF}:Q4_K_M&device=rtx-4060`;
const EXAMPLE = "/plan?model=example:gpt-oss-20b&device=rtx-4090";
const COMPARISON = `/compare?model=${LLAMA_GGUF}:Q4_K_M&device=rtx-4060,24GiB`;
const NO_FIT = `${EXAMPLE.replace("rtx-4090", "8GiB")}&gpu_layers=all`;

let program: Program;

beforeAll(async () => {
  if (reason === null) program = await startProgram();
}, 120_000);

afterAll(async () => {
  if (reason === null) await program.stop();
});

const see = (name: string, work: (page: Page) => Promise<void>, options = {}, allowed: RegExp | null = null): void =>
  testIf(reason, name, () => visit(program, options, work, allowed), TIMEOUT);

const textOf = async (page: Page, selector: string): Promise<string> =>
  ((await page.textContent(selector)) ?? "").replace(/\s+/g, " ").trim();

/** The same plan by the command line. */
function planned(...args: string[]): PlanResult {
  return JSON.parse(program.run("plan", ...args, "--json")) as PlanResult;
}

async function expectSame(page: Page, result: PlanResult): Promise<void> {
  const device = result.memory.by_device[0];
  const gib = ((device?.total_bytes ?? 0) / 2 ** 30).toFixed(1);
  expect(await textOf(page, "#say")).toContain(`Fits ${gib} of`);
  expect(await textOf(page, "#command")).toBe(`$ ${result.command}`);
  expect(await textOf(page, "#metrics")).toContain((result.limits.max_context ?? 0).toLocaleString("en-US"));
  const total = Math.round((result.memory.total_bytes ?? 0) / 2 ** 20).toLocaleString("en-US");
  expect(await textOf(page, "#layers tfoot tr:last-child td:last-child")).toBe(total);
}

describe("with script", () => {
  see("open, search, pick with the keyboard; the numbers are those of plan --json", async (page) => {
    await page.goto("/plan");
    await page.locator("#f-model").fill("llama");
    await page.locator("#found a", { hasText: LLAMA_GGUF }).waitFor();
    await page.keyboard.press("ArrowDown");
    while ((await page.evaluate(() => document.activeElement?.textContent ?? "")).includes(LLAMA_GGUF) === false) {
      await page.keyboard.press("ArrowDown");
    }
    await Promise.all([page.waitForURL(/model=acme/), page.keyboard.press("Enter")]);
    await page.locator("#f-device").fill("rtx-4060");
    await Promise.all([page.waitForURL(/device=rtx-4060/), page.keyboard.press("Enter")]);
    await expectSame(page, planned(LLAMA_GGUF, "--device", "rtx-4060"));
  });

  see("sliders by keyboard: the address follows, and the numbers are those of plan --json", async (page) => {
    await page.goto(PLAN);
    await page.locator("#r-context").focus();
    await page.keyboard.press("PageUp");
    for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowRight");
    await page.locator("#r-sequences").focus();
    await page.keyboard.press("ArrowRight");
    await page.locator("#set-kv_type label", { hasText: "q8_0" }).click();
    await atRest(page);
    // 8,192 · 2 = 16,384; three eighths of an octave on, to the next multiple of 256: 16,384 · 2^(3/8) = 21,247.
    expect(await page.inputValue("#f-context")).toBe("21,248");
    expect(new URL(page.url()).search).toBe(
      `?model=${LLAMA_GGUF}:Q4_K_M&device=rtx-4060&context=21248&sequences=2&kv_type=q8_0`,
    );
    expect(await page.getAttribute("#r-context", "aria-valuetext")).toMatch(
      /^21,248 tokens, largest that fits [\d,]+$/,
    );
    await expectSame(
      page,
      planned(
        `${LLAMA_GGUF}:Q4_K_M`,
        "--device",
        "rtx-4060",
        "--context",
        "21248",
        "--sequences",
        "2",
        "--kv-type",
        "q8_0",
      ),
    );
  });

  see("a shared link shows what the sliders showed, to the byte", async (page) => {
    await page.goto(EXAMPLE);
    await page.locator("#r-context").focus();
    await page.keyboard.press("End");
    await page.locator("#r-gpu_layers").focus();
    for (let i = 0; i < 4; i++) await page.keyboard.press("ArrowLeft");
    await page.selectOption("#f-weights", "Q8_0");
    await atRest(page);
    const live = await page.innerHTML("#result");
    await page.reload();
    await atRest(page);
    expect(await page.innerHTML("#result")).toBe(live);
    expect(await page.inputValue("#f-gpu_layers")).toBe("21");
  });

  see("the same markup comes from the server and from the page", async (page) => {
    await page.goto(`${EXAMPLE}&context=65536`);
    const served = await (await page.request.get(page.url())).text();
    await page.locator("#r-ubatch").evaluate((range) => range.dispatchEvent(new Event("input", { bubbles: true })));
    await atRest(page);
    for (const id of ["say", "why", "meters", "terms", "contexts", "command"]) {
      const markup = await page.evaluate(
        ([html, name]) =>
          new DOMParser().parseFromString(html ?? "", "text/html").getElementById(name ?? "")?.innerHTML,
        [served, id],
      );
      expect(await page.innerHTML(`#${id}`)).toBe(markup ?? "");
    }
  });

  see("another engine is another page, whose sliders move its own plan", async (page) => {
    await page.goto(`/plan?model=${TINY_LLAMA}&device=rtx-4060`);
    await Promise.all([page.waitForURL(/engine=vllm/), page.selectOption("#f-engine", "vllm")]);
    await page.locator("#r-context").focus();
    await page.keyboard.press("Home");
    await atRest(page);
    const result = planned(TINY_LLAMA, "--engine", "vllm", "--device", "rtx-4060", "--context", "1024");
    expect(await textOf(page, "#command")).toBe(`$ ${result.command}`);
    expect(await page.locator("#r-gpu_layers").count()).toBe(0);
    const live = await textOf(page, "#say");
    await page.reload();
    expect(await textOf(page, "#say")).toBe(live);
  });

  see("engines compared: a row opens the plan it shows", async (page) => {
    await page.goto(`/compare?model=${TINY_LLAMA}&device=rtx-4060&context=2048`);
    const row = page.locator("table.compare tbody tr", { has: page.getByRole("link", { name: "vllm", exact: true }) });
    const gib = ((await row.locator("td[data-l=GiB] b").textContent()) ?? "").trim();
    expect(gib).toMatch(/^\d+\.\d$/);
    await row.locator("summary").click();
    expect(await row.locator(".cmd code").isVisible()).toBe(true);
    await Promise.all([page.waitForURL(/\/plan\?/), row.getByRole("link", { name: "vllm", exact: true }).click()]);
    expect(await textOf(page, "#say")).toContain(` ${gib} of`);
  });

  see("Back and Forward load whole pages whose sliders live", async (page) => {
    await page.goto(EXAMPLE);
    await page.goto(PLAN);
    await page.goBack();
    await page.locator("#r-context").focus();
    await page.keyboard.press("Home");
    await atRest(page);
    expect(await page.inputValue("#f-context")).toBe("1,024");
    await page.goForward();
    expect(await textOf(page, "#command")).toContain(LLAMA_GGUF);
    await page.locator("#r-context").focus();
    await page.keyboard.press("Home");
    await atRest(page);
    expect(await page.inputValue("#f-context")).toBe("1,024");
  });

  see("does not fit: what would make it fit is one click away, and Back undoes it", async (page) => {
    await page.goto(NO_FIT);
    expect(await textOf(page, "#say")).toStartWith("Does not fit");
    const first = page.locator("#changes a").first();
    await Promise.all([page.waitForURL((url) => !url.href.endsWith(NO_FIT)), first.click()]);
    expect(await textOf(page, "#say")).toMatch(/^(Fits|Tight fit)/);
    await page.goBack();
    expect(await textOf(page, "#say")).toStartWith("Does not fit");
  });

  see("a wrong number is said at its field, the last plan stays, and goes when it is put right", async (page) => {
    await page.goto(PLAN);
    const before = await textOf(page, "#say");
    await page.fill("#f-context", "many");
    await page.locator("#live-context").waitFor();
    expect(await textOf(page, "#live-context")).toBe("An integer from 1 to 134217728 is wanted.");
    expect(await textOf(page, "#say")).toBe(before);
    await page.fill("#f-context", "4096");
    await page.locator("#live-context").waitFor({ state: "detached" });
    await atRest(page);
    expect(await textOf(page, "#command")).toContain("-c 4096");
  });

  see(
    "page keys, and the picture's readout by arrows",
    async (page) => {
      await page.goto(EXAMPLE);
      await page.locator("#readout").focus();
      await page.keyboard.press("Home");
      expect(await textOf(page, "#readout")).toStartWith("Layer 0 sliding window");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("PageUp");
      expect(await textOf(page, "#readout")).toStartWith("Layer 5 full attention");
      await page.keyboard.press("?");
      expect(await page.locator("#keys").evaluate((dialog) => dialog instanceof HTMLDialogElement && dialog.open)).toBe(
        true,
      );
      await page.keyboard.press("Escape");
      await page.keyboard.press("c");
      await page.getByRole("button", { name: "Copied" }).waitFor();
      expect(await page.evaluate(() => navigator.clipboard.readText())).toStartWith("llama-server -m gpt-oss-20b");
      await page.keyboard.press("/");
      expect(await page.evaluate(() => document.activeElement?.id)).toBe("f-model");
    },
    { permissions: ["clipboard-read", "clipboard-write"] },
  );

  testIf(
    firstReason(reason, requires.engine()),
    "llama.cpp itself is asked, and its KV cache is ours",
    () =>
      visit(program, {}, async (page) => {
        await page.goto(`${PLAN}&gpu_layers=0`);
        await page.getByRole("button", { name: "Ask llama.cpp itself" }).click();
        await page.locator("#asked table").waitFor();
        const rows = await page.locator("#asked tbody tr").allInnerTexts();
        const kv = rows.find((row) => row.startsWith("KV cache")) ?? "";
        expect(kv).toMatch(/equal$/);
      }),
    TIMEOUT,
  );

  see("a curve is drawn, and the picture is not empty", async (page) => {
    await page.goto(EXAMPLE);
    await page.locator("#curve canvas").waitFor();
    const colours = await page.evaluate(() => {
      const canvas = document.getElementById("sky");
      if (!(canvas instanceof HTMLCanvasElement)) return 0;
      const { data } = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
      const seen = new Set<number>();
      for (let i = 0; i < data.length; i += 4)
        seen.add(((data[i] ?? 0) << 16) | ((data[i + 1] ?? 0) << 8) | (data[i + 2] ?? 0));
      return seen.size;
    });
    expect(colours).toBeGreaterThan(20);
  });

  see(
    "the picture that was moved is, to the pixel, the one that is drawn whole",
    async (page) => {
      const picture = (): Promise<string> =>
        page.locator("#sky").evaluate((sky) => (sky instanceof HTMLCanvasElement ? sky.toDataURL() : ""));
      await page.goto(EXAMPLE);
      const before = await picture();
      await page.locator("#r-context").focus();
      for (const key of ["End", "PageDown", "ArrowRight"]) await page.keyboard.press(key);
      await page.locator("#r-gpu_layers").focus();
      for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowLeft");
      await page.locator("#readout").focus();
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowLeft");
      await atRest(page);
      const moved = await picture();
      expect(moved).not.toBe(before);
      await page.reload();
      expect(await picture()).toBe(moved);
    },
    { deviceScaleFactor: 1.25 },
  );
});

describe("without script", () => {
  const off = { javaScriptEnabled: false };

  see(
    "search, open, change and calculate are links and forms",
    async (page) => {
      await page.goto("/plan");
      await page.fill("#f-model", "llama");
      await page.getByRole("button", { name: "Search the hub" }).click();
      await page.getByRole("link", { name: new RegExp(LLAMA_GGUF) }).click();
      expect(await page.locator("#sky").isVisible()).toBe(false);
      await page.fill("#f-device", "rtx-4060");
      await page.fill("#f-context", "16,384");
      await page.locator("#set-kv_type input[value=q8_0]").check({ force: true });
      await page.getByRole("button", { name: "Plan", exact: true }).click();
      await expectSame(page, planned(LLAMA_GGUF, "--device", "rtx-4060", "--context", "16384", "--kv-type", "q8_0"));
      expect(await page.locator("#layers tbody tr").count()).toBeGreaterThan(3);
    },
    off,
  );

  see(
    "a wrong number comes back with its sentence",
    async (page) => {
      await page.goto(PLAN);
      await page.fill("#f-context", "many");
      await page.getByRole("button", { name: "Plan", exact: true }).click();
      expect(await textOf(page, "#e-context")).toContain("An integer from 1");
      expect(await page.inputValue("#f-context")).toBe("many");
    },
    off,
    /status of 422/,
  );
});

describe("every width, ink and reader", () => {
  see("no sideways scroll from 360 px to 4K", async (page) => {
    for (const path of ["/plan", PLAN, NO_FIT, "/plan/search?model=llama"]) {
      await page.goto(path);
      for (const width of [360, 768, 1440, 3840]) {
        await page.setViewportSize({ width, height: 800 });
        const over = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect(`${path} at ${width}: ${Math.max(0, over)}`).toBe(`${path} at ${width}: 0`);
      }
    }
  });

  see("nothing moves while the page comes up", async (page) => {
    await page.goto(EXAMPLE);
    await page.locator("#curve canvas").waitFor();
    const shift = await page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          let sum = 0;
          new PerformanceObserver((list) => {
            for (const entry of list.getEntries())
              if ("value" in entry && typeof entry.value === "number") sum += entry.value;
          }).observe({ type: "layout-shift", buffered: true });
          requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
        }),
    );
    expect(shift).toBeLessThan(0.05);
  });

  see("prints without controls, with the table", async (page) => {
    await page.goto(PLAN);
    await page.emulateMedia({ media: "print" });
    expect(await page.locator(".top").isVisible()).toBe(false);
    expect(await page.locator(".settings").isVisible()).toBe(false);
    expect(await page.locator("#layers table").isVisible()).toBe(true);
    expect((await page.pdf()).length).toBeGreaterThan(10_000);
  });

  const { source: axe } = axeCore;
  const states = {
    "first visit": "/plan",
    "a plan": PLAN,
    "a plan that does not fit": NO_FIT,
    "a field that is wrong": `${PLAN}&context=many`,
    "a search": "/plan/search?model=llama",
    "a comparison": COMPARISON,
    "a comparison of nothing yet": "/compare",
  };
  for (const colorScheme of ["light", "dark"] as const) {
    see(
      `axe finds nothing, ${colorScheme}`,
      async (page) => {
        for (const [name, path] of Object.entries(states)) {
          await page.goto(path);
          await page.evaluate(axe);
          expect({ name, found: await page.evaluate(runAxe) }).toEqual({ name, found: [] });
        }
      },
      { colorScheme, bypassCSP: true },
      /status of 422/,
    );
  }
});

/** Runs in the page, where axe was loaded. */
async function runAxe(): Promise<string[]> {
  const { axe } = window as unknown as {
    axe: { run: () => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
  };
  const { violations } = await axe.run();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
}

describe("when the program is gone", () => {
  see(
    "the page says so, and the sliders go on",
    async (page) => {
      await page.goto(PLAN);
      await program.kill();
      await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      await page.getByText("Not connected to hwLedger").waitFor();
      await page.locator("#r-context").focus();
      await page.keyboard.press("Home");
      await atRest(page);
      expect(await textOf(page, "#command")).toContain("-c 1024");
    },
    {},
    /ERR_CONNECTION_REFUSED/,
  );
});
