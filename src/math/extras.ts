/** What a person may have loaded beside a model: a projector, adapters, a draft model or the model's own heads for drafting. */
import type { ModelSpec } from "./model.ts";

/** What a plan needs of a GGUF that is no model by itself, as plain JSON: it travels to the browser with the model. */
export interface SideFile {
  /** As it was asked for; what the engine's command line takes. */
  readonly name: string;
  /** general.architecture: "clip" for a projector. */
  readonly architecture: string;
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly type: string }[];
  /** Single values of its metadata. */
  readonly metadata: Readonly<Record<string, string | number>>;
}

export interface DraftModel {
  readonly name: string;
  /** Typed. */
  readonly model: ModelSpec;
}

export interface PlanExtras {
  /** "mtp": the model's own blocks for multi-token prediction. */
  readonly draft: DraftModel | "mtp" | null;
  readonly projector: SideFile | null;
  readonly adapters: readonly SideFile[];
}

export const NO_EXTRAS: PlanExtras = { draft: null, projector: null, adapters: [] };

export const EXTRA_FLAGS = { draft: "--draft", projector: "--mmproj", adapters: "--lora" } as const;
export type ExtraKind = keyof typeof EXTRA_FLAGS;

/** Those that were asked for. */
export function extrasAsked(extras: PlanExtras): readonly ExtraKind[] {
  return [
    ...(extras.draft === null ? [] : (["draft"] as const)),
    ...(extras.projector === null ? [] : (["projector"] as const)),
    ...(extras.adapters.length === 0 ? [] : (["adapters"] as const)),
  ];
}
