import { expect, test } from "bun:test";
import { readConfig } from "../src/config.ts";

test("HWLEDGER_HOME moves all files", () => {
  const config = readConfig({ HWLEDGER_HOME: "/x", XDG_CACHE_HOME: "/c" }, "linux", "/home/u");
  expect([config.dataDir, config.cacheDir]).toEqual(["/x", "/x/cache"]);
});

test.each([
  ["linux", {}, "/home/u/.local/share/hwledger", "/home/u/.cache/hwledger"],
  ["linux", { XDG_DATA_HOME: "/d", XDG_CACHE_HOME: "/c" }, "/d/hwledger", "/c/hwledger"],
  ["darwin", {}, "/home/u/Library/Application Support/hwledger", "/home/u/Library/Caches/hwledger"],
  ["win32", { LOCALAPPDATA: "/l" }, "/l/hwledger", "/l/hwledger/cache"],
] as const)("folders on %s with %p", (platform, env, data, cache) => {
  const config = readConfig(env, platform, "/home/u");
  expect([config.dataDir, config.cacheDir]).toEqual([data, cache]);
});

test("the hub's own variables", () => {
  const none = readConfig({}, "linux", "/home/u").hub;
  expect(none).toEqual({
    endpoint: "https://huggingface.co",
    token: null,
    tokenFile: "/home/u/.cache/huggingface/token",
    sharedCacheDir: "/home/u/.cache/huggingface/hub",
    offline: false,
  });
  const all = readConfig(
    { HF_ENDPOINT: "http://127.0.0.1:1/", HF_TOKEN: " t ", HF_HOME: "/h", HF_HUB_CACHE: "/s", HF_HUB_OFFLINE: "1" },
    "linux",
    "/home/u",
  ).hub;
  expect(all).toEqual({
    endpoint: "http://127.0.0.1:1",
    token: "t",
    tokenFile: "/h/token",
    sharedCacheDir: "/s",
    offline: true,
  });
});

test("an empty variable says nothing, but an empty list of devices says none", () => {
  const config = readConfig({ HF_TOKEN: "", NO_COLOR: "", CUDA_VISIBLE_DEVICES: "" }, "linux", "/home/u");
  expect([config.hub.token, config.noColour, config.cudaVisibleDevices]).toEqual([null, false, ""]);
  expect(readConfig({ NO_COLOR: "1" }, "linux", "/home/u").noColour).toBe(true);
  expect(readConfig({}, "linux", "/home/u").cudaVisibleDevices).toBeNull();
});
