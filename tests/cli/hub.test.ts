/** Models of a hub, from the command line: what is asked, and what is said when it is refused. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { GPT_OSS, LLAMA_GGUF, readyModels, textFile } from "../fakes/hub-models.ts";
import { type FakeHub, GOOD_TOKEN, startHub } from "../fakes/hub-server.ts";
import { runCliBeside } from "./run-cli.ts";

const SLOW_MS = 60_000;
let hub: FakeHub;

beforeAll(async () => {
  hub = await startHub([...readyModels(), { id: "acme/gated", files: [textFile("config.json", "{}")], mood: "gated" }]);
});
afterAll(() => hub.stop());

const online = (): Record<string, string> => ({ HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: "0" });

test(
  "a model known from its config, and a quantised file of another, without their weights",
  async () => {
    const config = await runCliBeside(["plan", GPT_OSS, "--device", "24GiB", "--json"], online());
    expect([config.status, config.err]).toEqual([0, ""]);
    const plan = JSON.parse(config.out) as { model: { id: string; source: string; layers: number }; command: string };
    expect(plan.model).toMatchObject({ id: GPT_OSS, source: "hub", layers: 24 });

    const file = await runCliBeside(["plan", LLAMA_GGUF, "--device", "24GiB"], online());
    expect([file.status, file.err]).toEqual([0, ""]);
    expect(file.out).toContain("none was named:");

    const shown = await runCliBeside(["models", "show", LLAMA_GGUF, "--json"], online());
    expect(JSON.parse(shown.out)).toMatchObject({ schema: "hwledger.model/1", status: "ok", layers: 16 });
  },
  SLOW_MS,
);

test(
  "gated, missing, unreachable: one sentence, a hint, status 1",
  async () => {
    const gated = await runCliBeside(["plan", "acme/gated", "--device", "24GiB"], online());
    expect([gated.status, gated.out]).toEqual([1, ""]);
    expect(gated.err).toMatch(/^Cannot .*"acme\/gated.*\nhint: .*HF_TOKEN/);

    const missing = await runCliBeside(["plan", "acme/none", "--device", "24GiB", "--json"], {
      ...online(),
      HF_TOKEN: GOOD_TOKEN,
    });
    expect(missing.status).toBe(1);
    expect(JSON.parse(missing.err)).toMatchObject({ schema: "hwledger.error/1", code: "not_found" });

    const offline = await runCliBeside(["plan", "acme/none", "--device", "24GiB"], {});
    expect(offline.status).toBe(1);
    expect(offline.err).toMatch(/^Cannot .*\nhint: /);
    expect(offline.err).not.toMatch(/^\s+at /m);
  },
  SLOW_MS,
);
