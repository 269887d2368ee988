/** The plan as a sentence: model, engine, device. Choosing another is a load, with an entry in the history. */
import { formatGib, formatInteger, formatParameters } from "../../math/format.ts";
import { type Machine, plannableBytes } from "../../math/machine.ts";
import { ENGINES } from "../../math/options.ts";
import type { PlanSubject } from "../../math/plan-input.ts";
import type { PlanResult } from "../../math/result.ts";
import { flag, type Html, html } from "../html.ts";
import { defaultOf, type FormValues } from "./fields.ts";
import type { FieldErrors } from "./request.ts";

export interface PickersView {
  readonly form: FormValues;
  readonly errors: FieldErrors;
  readonly result: PlanResult | null;
  readonly subject: PlanSubject | null;
  readonly machine: Machine | null;
  /** "read 2 h ago"; null for what is on disk. */
  readonly age: string | null;
  /** Names of the device table, for suggestions. */
  readonly devices: readonly { readonly id: string; readonly name: string }[];
}

export function pickers(view: PickersView): Html {
  const { form, errors, result } = view;
  const error = (field: string): Html =>
    html`${errors[field] !== undefined && html`<span class="fielderr" id="e-${field}">${errors[field]}</span>`}`;
  const wrong = (field: string): Html =>
    html`${errors[field] !== undefined && html` aria-invalid="true"`} aria-describedby="${errors[field] !== undefined && `e-${field} `}about-${field}"`;
  return html`<div class="pick" role="group" aria-label="What to plan"><div class="choice"><label class="meta" for="f-model">Model</label><input type="search" id="f-model" name="model" value="${form.model ?? ""}" autocomplete="off" spellcheck="false" autocapitalize="off"${wrong("model")} hx-get="/plan/search" hx-trigger="input changed delay:250ms" hx-target="#found" hx-include="closest form"><span class="meta about" id="about-model">${aboutModel(view)}</span>${error("model")}</div><div class="choice"><label class="meta" for="f-engine">Engine</label><select id="f-engine" name="engine" autocomplete="off"${wrong("engine")}>${ENGINES.map(
    (id) => html`<option value="${id}"${flag("selected", id === (form.engine ?? defaultOf("engine")))}>${id}</option>`,
  )}</select><span class="meta about" id="about-engine">${
    result === null ? "memory rules" : `memory rules of ${result.engine.version}`
  }</span>${error("engine")}</div><div class="choice"><label class="meta" for="f-device">Device</label><input type="text" id="f-device" name="device" value="${
    form.device === "auto" ? "" : (form.device ?? "")
  }" placeholder="this machine" list="devices" autocomplete="off" spellcheck="false"${wrong("device")}><datalist id="devices">${view.devices.map(
    ({ id, name }) => html`<option value="${id}">${name}</option>`,
  )}</datalist><span class="meta about" id="about-device">${aboutDevice(view.machine)}</span>${error("device")}</div><div class="acts"><button>Plan</button><button class="quiet" formaction="/compare">Compare engines</button><button type="button" class="quiet js" x-data="copy" x-on:click="copyLink" x-text="label('Copy link')" aria-live="polite">Copy link</button></div><div class="found" id="found" x-data="finder" x-show="open"></div></div>`;
}

function aboutModel({ result, subject, age }: PickersView): string {
  if (result === null || subject === null) return "org/name, org/name:Q4_K_M, a .gguf file or a folder";
  const { parameters, layers } = result.model;
  const where =
    subject.source === "hub"
      ? `hub, revision ${subject.revision?.slice(0, 7) ?? "not known"}`
      : subject.source === "built-in"
        ? "built-in example, from its published config"
        : subject.source === "folder"
          ? "folder on this disk"
          : "file on this disk";
  return [
    parameters === null ? null : `${formatParameters(parameters.total)} parameters`,
    parameters !== null && parameters.active < parameters.total * 0.7
      ? `${formatParameters(parameters.active)} active`
      : null,
    layers === null ? null : `${formatInteger(layers)} layers`,
    where,
    age,
  ]
    .filter((part) => part !== null)
    .join(" · ");
}

function aboutDevice(machine: Machine | null): string {
  if (machine === null) return "a name, 24GiB, 2x 24GiB or cpu:64GiB";
  const gpus = machine.accelerators;
  if (gpus.length === 0) {
    const { memoryBytes } = machine.host;
    const free = plannableBytes(machine.host);
    return `no GPU${memoryBytes === null ? "" : ` · ${formatGib(memoryBytes)} GiB of system memory`}${
      free === null || free === memoryBytes ? "" : `, ${formatGib(free)} free`
    }`;
  }
  const sizes = gpus.map((gpu) => (gpu.memoryBytes === null ? "?" : formatGib(gpu.memoryBytes))).join(" + ");
  const names = machine.here ? `${[...new Set(gpus.map((gpu) => gpu.name))].join(" + ")} · ` : "";
  const free = gpus.map(plannableBytes);
  const known = free.every((bytes) => bytes !== null)
    ? free.reduce((sum: number, bytes) => sum + (bytes ?? 0), 0)
    : null;
  const word = machine.here ? "free" : "usable";
  const total = gpus.reduce((sum, gpu) => sum + (gpu.memoryBytes ?? 0), 0);
  return `${names}${sizes} GiB${known === null || known === total ? "" : `, ${formatGib(known)} ${word}`}${machine.unified ? " · shared with the system" : ""}`;
}

/** One line about this machine in the top bar. */
export function hereLine(machine: Machine): Html {
  const gpus = machine.accelerators;
  const devices = gpus.length > 0 ? gpus : [machine.host];
  const total = devices.reduce((sum, device) => sum + (device.memoryBytes ?? 0), 0);
  const free = devices.reduce((sum, device) => sum + (plannableBytes(device) ?? 0), 0);
  if (total === 0) return html`<span>This machine’s memory is not known</span>`;
  return html`<span>this machine: <b>${formatGib(free)}</b> of ${formatGib(total)} GiB free ${
    gpus.length === 0 ? "in system memory, no GPU found" : `on ${gpus.length} ${gpus.length === 1 ? "GPU" : "GPUs"}`
  }</span>`;
}
