import { expect, test } from "bun:test";
import { textConfig } from "../../../src/math/arch/text-config.ts";

test("a wrapper's text model is what text_config or DeepSeek's language_config says", () => {
  expect(textConfig({ model_type: "llama" })).toBeNull();
  expect(textConfig({ model_type: "llama", text_config: null })).toBeNull();
  expect(textConfig({ text_config: { model_type: "llama" }, language_config: { model_type: "qwen2" } })).toEqual({
    model_type: "llama",
  });
  const latent = { model_type: "deepseek_v2", kv_lora_rank: 512 };
  expect(textConfig({ model_type: "deepseek_vl_v2", language_config: latent })).toEqual(latent);
});

test("a deepseek v2 without its latent attention is another architecture", () => {
  const plain = { model_type: "deepseek_v2", use_mla: false };
  expect(textConfig({ model_type: "deepseek_vl_v2", language_config: plain })).toEqual({
    model_type: "deepseek_vl_v2",
    use_mla: false,
  });
});
