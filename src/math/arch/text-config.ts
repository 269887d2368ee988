/** Where a multimodal wrapper's config.json keeps its text model, if it does. */
import type { RawConfig } from "./family.ts";
import { isRecord } from "./fields.ts";

/** DeepSeek's wrappers say `language_config`, and only there whether a deepseek v2 inside has its latent attention. */
export function textConfig(config: RawConfig): RawConfig | null {
  const said = Object.hasOwn(config, "text_config") ? config.text_config : null;
  if (isRecord(said)) return said;
  const inner = Object.hasOwn(config, "language_config") ? config.language_config : null;
  if (!isRecord(inner)) return null;
  return inner.use_mla === false ? { ...inner, model_type: "deepseek_vl_v2" } : inner;
}
