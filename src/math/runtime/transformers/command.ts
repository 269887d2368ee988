import type { Backend } from "../../machine.ts";
import type { EnginePlan } from "../runtime.ts";
import { shellWord } from "../shell.ts";
import type { TransformersOptions } from "./options.ts";

const DEVICES: Partial<Record<Backend, string>> = { cuda: "cuda:0", rocm: "cuda:0", metal: "mps" };
const DTYPES: Readonly<Record<string, string>> = { bf16: "bfloat16", f16: "float16", f32: "float32" };

/**
 * One line of Python that fills this very context: a prompt of all of it but one token, and one word; of an encoder a text
 * as long as the context, without what only training needs.
 */
export function transformersCommand(
  options: TransformersOptions,
  backend: Backend,
  model: Parameters<EnginePlan["command"]>[0],
  weights: string,
  encoder: boolean,
): string {
  const name = JSON.stringify(model.id ?? model.file ?? "MODEL");
  const map = options.stages > 1 ? "balanced" : (DEVICES[backend] ?? "cpu");
  const load = [
    name,
    `dtype="${DTYPES[weights] ?? "auto"}"`,
    `device_map="${map}"`,
    `attn_implementation="${options.attention}"`,
  ];
  const chunk = options.chunk === null ? "" : `, prefill_chunk_size=${options.chunk}`;
  const tokens = encoder ? options.context : Math.max(1, options.context - 1);
  const prompt = `torch.ones(${options.sequences}, ${tokens}, dtype=int, device=m.device)`;
  const step = encoder
    ? `torch.set_grad_enabled(False); m(${prompt})`
    : `m.generate(${prompt}, max_new_tokens=1${chunk})`;
  const kind = encoder ? "AutoModel" : "AutoModelForCausalLM";
  const script = `import torch; from transformers import ${kind} as M; m = M.from_pretrained(${load.join(", ")}); ${step}`;
  return ["python3", "-c", script].map(shellWord).join(" ");
}
