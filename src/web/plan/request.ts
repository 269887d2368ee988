/** From a form to a checked request: every field that is wrong, each with its own sentence, and the input kept. */
import { AppError } from "../../errors.ts";
import { type PlanRequest, parseRequest, planRequestSchema } from "../../request.ts";
import { type FormValues, requestFields } from "./fields.ts";

export type FieldErrors = Readonly<Record<string, string>>;

export type FormRequest =
  | { readonly status: "ok"; readonly request: PlanRequest }
  | { readonly status: "wrong"; readonly errors: FieldErrors };

/** Names as the page's labels have them. */
const LABELS: Readonly<Record<string, string>> = {
  model: "the model",
  context: "the context",
  sequences: "the sequences",
  kv_type: "the KV cache type",
  gpu_layers: "the layers on GPU",
  weights: "the weights",
  device: "the device",
};

export function requestOfForm(form: FormValues): FormRequest {
  const fields = requestFields(form);
  const checked = planRequestSchema.safeParse(fields);
  if (!checked.success) {
    const errors: Record<string, string> = {};
    for (const issue of checked.error.issues) {
      const field = String(issue.path[0] ?? "model");
      errors[field] ??= `${issue.message.charAt(0).toUpperCase()}${issue.message.slice(1)}.`;
    }
    return { status: "wrong", errors };
  }
  // The label is asked for right before a message is made: the last one asked for is the field it is about.
  let named = "model";
  const label = (field: string): string => {
    named = field;
    return LABELS[field] ?? field.replaceAll("_", " ");
  };
  try {
    return { status: "ok", request: parseRequest(fields, label) };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { status: "wrong", errors: { [named]: `${error.message}.` } };
  }
}
