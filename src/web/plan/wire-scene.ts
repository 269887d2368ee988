/** What the page hands to its island: the plan's input, with the model packed, and the form as it stands. */
import type { ModelSpec } from "../../math/model.ts";
import type { PlanInput } from "../../math/plan-input.ts";
import type { FormValues } from "./fields.ts";
import type { Scene } from "./scene.ts";
import { decodeSpec, encodeSpec, type WireSpec } from "./wire.ts";

export interface WireScene {
  readonly form: FormValues;
  readonly spec: WireSpec;
  readonly specWarnings: readonly string[];
  readonly input: Omit<PlanInput, "subject"> & { readonly subject: Omit<PlanInput["subject"], "spec"> };
}

/** @throws {RangeError} for a model that is not known: there is nothing to compute with */
export function encodeScene({ input }: Pick<Scene, "input">, form: FormValues): WireScene {
  const { spec, ...subject } = input.subject;
  if (spec.status !== "ok") throw new RangeError("Cannot hand an unknown model to the page: it has no layers");
  return { form, spec: encodeSpec(spec.spec), specWarnings: spec.warnings, input: { ...input, subject } };
}

export function decodeScene(wire: WireScene): { readonly input: PlanInput; readonly form: FormValues } {
  const spec: ModelSpec = decodeSpec(wire.spec);
  const subject = { ...wire.input.subject, spec: { status: "ok", spec, warnings: wire.specWarnings } as const };
  return { input: { ...wire.input, subject }, form: wire.form };
}
