/** Names of what is loaded beside a model → what the planner needs of it. */
import { AppError } from "../errors.ts";
import type { OpenedModel } from "../hub/opened-model.ts";
import type { PlanExtras, SideFile } from "../math/extras.ts";
import { RUNTIMES } from "../math/runtime/index.ts";
import type { RequestExtras } from "../request.ts";

/** @throws {AppError} as opening a model; unsupported when what is named is no GGUF, or a draft model is not known */
export async function openExtras(
  { draft, projector, adapters }: RequestExtras,
  open: (name: string) => Promise<OpenedModel>,
): Promise<PlanExtras> {
  return {
    draft: draft === null || draft === "mtp" ? draft : await openDraft(draft, open),
    projector: projector === null ? null : await openSide(projector, open),
    adapters: await Promise.all(adapters.map((name) => openSide(name, open))),
  };
}

async function openSide(name: string, open: (name: string) => Promise<OpenedModel>): Promise<SideFile> {
  const { gguf } = await open(name);
  if (gguf !== null) {
    const single = [...gguf.metadata].filter(
      (entry): entry is [string, string | number] => typeof entry[1] === "string" || typeof entry[1] === "number",
    );
    return {
      name,
      architecture: gguf.architecture,
      tensors: gguf.tensors.map(({ name: tensor, shape, type }) => ({ name: tensor, shape, type })),
      metadata: Object.fromEntries(single),
    };
  }
  throw new AppError("unsupported", `Cannot plan with "${name}": it is no GGUF, and llama.cpp loads no other`, {
    hint: "convert it with llama.cpp's convert_lora_to_gguf.py or convert_hf_to_gguf.py --mmproj",
  });
}

async function openDraft(name: string, open: (name: string) => Promise<OpenedModel>): Promise<PlanExtras["draft"]> {
  const { spec } = await open(name);
  if (spec.status === "unknown") {
    throw new AppError("unsupported", `Cannot plan with the draft model "${name}": ${spec.reason}`, {
      hint: "name another, or leave --draft out",
    });
  }
  const typed = RUNTIMES["llama.cpp"].typeWeights(spec.spec, null, {
    published: null,
    publishedWarning: null,
    checkpoint: null,
    choices: [],
  });
  if (typed.status === "ok") return { name, model: typed.spec };
  throw new AppError("unsupported", `Cannot plan with the draft model "${name}": its weights are not known`, {
    hint: "name a GGUF of it, as org/name:Q4_K_M",
  });
}
