/** From a form to everything the page shows, problems included: nothing here throws what a person caused. */
import { AppError } from "../../errors.ts";
import type { Machine } from "../../math/machine.ts";
import { statusOf, toAppError } from "../errors.ts";
import { type Html, html } from "../html.ts";
import type { OpenedPlan, PlanDeps } from "./deps.ts";
import type { FormValues } from "./fields.ts";
import { hereLine } from "./pickers.ts";
import { type FieldErrors, requestOfForm } from "./request.ts";
import { isDrawn, sceneOf } from "./scene.ts";
import type { PlanPage } from "./view.ts";

export interface LoadedPage {
  readonly page: PlanPage;
  readonly status: number;
}

export async function loadPage(form: FormValues, deps: PlanDeps): Promise<LoadedPage> {
  const here = await hereOf(deps);
  const nothing: PlanPage = {
    form,
    errors: {},
    scene: null,
    result: null,
    subject: null,
    machine: null,
    age: null,
    devices: deps.deviceNames(),
    problem: null,
    here,
    asked: null,
  };
  const checked = requestOfForm(form);
  if (checked.status === "wrong") return { page: { ...nothing, errors: checked.errors }, status: 422 };
  const { request } = checked;
  const machine = await attempt(() => deps.machine(request.device));
  if (machine instanceof AppError)
    return { page: { ...nothing, errors: atField("device", machine) }, status: statusOf(machine) };
  const opened = await attempt(() => deps.open(request));
  if (opened instanceof AppError) {
    const page = {
      ...nothing,
      machine,
      problem: opened,
      errors: opened.code === "usage" ? atField("model", opened) : {},
    };
    return { page: { ...page, problem: opened.code === "usage" ? null : opened }, status: statusOf(opened) };
  }
  const scene = sceneOf(opened.input);
  const { result } = scene;
  const refused =
    result.error === undefined ? null : new AppError("usage", result.error.message, { hint: result.error.hint });
  return {
    page: {
      ...nothing,
      scene: refused === null ? scene : null,
      result,
      subject: opened.input.subject,
      machine,
      age: ageOf(opened, deps.now()),
      problem: refused,
    },
    status: refused === null || isDrawn(scene) ? 200 : 422,
  };
}

async function attempt<T>(work: () => Promise<T>): Promise<T | AppError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

function atField(field: string, error: AppError): FieldErrors {
  return { [field]: error.hint === null ? `${error.message}.` : `${error.message}: ${error.hint}.` };
}

/** The top bar's line; a machine that cannot be told leaves it empty. */
export async function hereOf(deps: PlanDeps): Promise<Html | null> {
  const machine: Machine | AppError = await attempt(() => deps.machine("auto")).catch(toAppError);
  return machine instanceof AppError ? html`` : hereLine(machine);
}

function ageOf({ fetchedAt }: OpenedPlan, now: Date): string | null {
  return fetchedAt === null ? null : `read ${ago(fetchedAt, now)}`;
}

const STEPS: readonly (readonly [number, string])[] = [
  [60, "s"],
  [60, "min"],
  [24, "h"],
];

/** "4 s ago", "2 h ago", "3 days ago". */
export function ago(when: string, now: Date): string {
  let value = Math.max(0, Math.round((now.getTime() - Date.parse(when)) / 1000));
  for (const [size, unit] of STEPS) {
    if (value < size) return `${value} ${unit} ago`;
    value = Math.floor(value / size);
  }
  return value === 1 ? "a day ago" : `${value} days ago`;
}
