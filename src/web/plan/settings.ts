/** The settings column: what moves the plan. Values that nobody gave are the engine's own, shown as placeholders. */
import { formatBytes, formatInteger } from "../../math/format.ts";
import type { WeightsLabel } from "../../math/model.ts";
import { KV_TYPES } from "../../math/options.ts";
import type { PlanInput } from "../../math/plan-input.ts";
import { RUNTIMES } from "../../math/runtime/index.ts";
import { offloadableLayers } from "../../math/runtime/llama-cpp/placement.ts";
import { type Html, html } from "../html.ts";
import { choiceSetting, type Option, selectSetting, sliderSetting } from "./controls.ts";
import { defaultOf, type FormValues, planHref, withValues } from "./fields.ts";
import { smallMib } from "./legend.ts";
import { contextPlaces, placeOf, SEQUENCE_PLACES, UBATCH_PLACES } from "./positions.ts";
import type { FieldErrors } from "./request.ts";
import type { Scene } from "./scene.ts";
import { offeredWeights } from "./weights-offer.ts";

export interface SettingsView {
  readonly form: FormValues;
  readonly errors: FieldErrors;
  readonly scene: Scene | null;
}

export function settingsPanel(view: SettingsView): Html {
  const { form } = view;
  return html`<section class="settings" aria-labelledby="h-settings"><div class="head"><h2 id="h-settings">Settings</h2><a class="btn quiet" href="${planHref(kept(form))}">Reset</a></div>${contextSetting(view)}${sequencesSetting(view)}${weightsSetting(view)}${kvTypeSetting(view)}${gpuLayersSetting(view)}${moreSettings(view)}</section>`;
}

/** What Reset keeps: which model, engine and device. */
function kept(form: FormValues): FormValues {
  const { model, engine, device } = form;
  return withValues({}, { model: model ?? "", engine: engine ?? "", device: device ?? "" });
}

const text = ({ form, errors }: SettingsView, field: string, label: string) => ({
  field,
  label,
  value: form[field] ?? "",
  error: errors[field] ?? null,
});

const option = (view: SettingsView, name: string): number | null => {
  const value = view.scene?.drawn?.plan.options[name];
  return typeof value === "number" ? value : null;
};

function contextSetting(view: SettingsView): Html {
  const { scene, form } = view;
  const trained = scene?.result.model.context_trained ?? null;
  const now = option(view, "context");
  const places = trained === null ? null : contextPlaces(trained);
  const base = text(view, "context", "Context");
  return sliderSetting({
    ...base,
    value: /^\d+$/.test(base.value) ? formatInteger(Number(base.value)) : base.value,
    unit: "tokens",
    placeholder: formatInteger(now ?? 8192),
    places: places === null ? null : { now: placeOf(places, now ?? 0), last: places.length - 1 },
    note: trained === null || places === null ? null : contextNote(scene, form, places[0] ?? 1024, trained),
    moves: scene === null ? null : contextMoves(scene),
  });
}

export function contextNote(scene: Scene | null, form: FormValues, lowest: number, trained: number): Html {
  const longest = scene?.result.limits.max_context ?? null;
  return html`<span>${formatInteger(lowest)}</span>${
    longest === null
      ? html`<span>${scene?.drawn == null ? "" : "no context fits"}</span>`
      : html`<a id="use-longest" href="${planHref(withValues(form, { context: String(longest) }))}" data-context="${longest}">most that fits ${formatInteger(longest)}</a>`
  }<span>${formatInteger(trained)}</span>`;
}

export function contextMoves({ drawn }: Scene): Html {
  if (drawn === null) return html``;
  const kv = drawn.plan.layers.kv.reduce((sum, bytes) => sum + bytes, 0);
  const growth = drawn.growth.reduce((sum, bytes) => sum + bytes, 0);
  if (kv === 0) return html`<span class="sw state"></span>no cache grows with the context`;
  return html`<span class="sw kv"></span>KV <b>${formatBytes(kv)}</b> · one more 1,024 tokens <b>+${smallMib(growth)}</b>`;
}

function sequencesSetting(view: SettingsView): Html {
  const now = option(view, "sequences");
  const base = text(view, "sequences", "Sequences at once");
  return sliderSetting({
    ...base,
    unit: "",
    placeholder: String(now ?? 1),
    places: now === null ? null : { now: placeOf(SEQUENCE_PLACES, now), last: SEQUENCE_PLACES.length - 1 },
    note: view.scene === null ? null : sequencesNote(view.scene),
    moves: null,
  });
}

export function sequencesNote({ result, drawn }: Scene): Html {
  if (drawn === null) return html``;
  const most = result.limits.max_sequences;
  return html`<span>1</span><span>${most === null ? "none fits at this context" : `${formatInteger(most)} ${most === 1 ? "fits" : "fit"} at this context`}</span><span>256</span>`;
}

/** A repository's real files, else what llama-quantize can make. */
function weightsSetting(view: SettingsView): Html {
  const { scene } = view;
  const base = text(view, "weights", "Weights");
  const spec = scene?.input.subject.spec;
  if (scene === null || spec === undefined || spec.status !== "ok")
    return selectSetting({
      ...base,
      options: [{ value: base.value, text: base.value === "" ? "as the files have it" : base.value }],
      note: null,
    });
  const own = ownWeights(scene.input);
  const options: Option[] = [{ value: "", text: own.text }];
  for (const { name, bytes } of offeredWeights(scene.input)) {
    if (name !== own.name) options.push({ value: name, text: `${name} · ${gb(bytes)}` });
  }
  const value = base.value.toUpperCase() === own.name?.toUpperCase() ? "" : base.value;
  if (!options.some((o) => o.value === value)) options.push({ value, text: value });
  return selectSetting({ ...base, value, options, note: weightsNote(scene, view.form) });
}

/** What the weights are when nothing is chosen. */
function ownWeights({ subject, engine }: PlanInput): { readonly name: string | null; readonly text: string } {
  if (subject.spec.status !== "ok") return { name: null, text: "as the files have it" };
  const { spec } = subject.spec;
  const typed = RUNTIMES[engine].typeWeights(spec, null, subject);
  if (typed.status !== "ok") return { name: null, text: "choose" };
  const name = typed.spec.weights?.name ?? null;
  const isFile = spec.tensorSource === "file";
  if (!isFile && subject.published == null) return { name: null, text: "BF16, not quantised" };
  return {
    name,
    text: `${name} · ${gb(RUNTIMES[engine].weightsBytes(typed.spec))} · ${isFile ? "this file" : "as published"}`,
  };
}

export function weightsNote(scene: Scene, form: FormValues): Html {
  const { subject } = scene.input;
  const label = scene.drawn?.model.weights ?? null;
  const best = scene.result.limits.best_weights;
  const files = subject.choices.length;
  const computed = (form.weights ?? "") !== "" && subject.choices.some((choice) => choice.name === form.weights);
  const where =
    subject.source === "hub" && computed
      ? html`<a href="${planHref(withValues(form, { model: `${subject.id}:${form.weights}`, weights: "" }))}">read this file’s header</a>`
      : html`<span>${files > 1 ? `${files} files in the repository` : weightsBasis(label, RUNTIMES[scene.input.engine].readsSafetensors === true)}</span>`;
  return html`${where}${best !== null && html`<span>largest that fits ${best}</span>`}`;
}

function weightsBasis(label: WeightsLabel | null, safetensors: boolean): string {
  if (label?.basis !== "exact") return "predicted";
  if (label.checkpoint === undefined) return safetensors ? "by the config’s numbers" : "by llama-quantize’s rules";
  return label.checkpoint.table === null ? "as the files’ index says" : "from the files’ table";
}

/** Vendors' gigabytes: what a download is called. */
function gb(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

/** Whether the page can price these weights itself, without reading another file. */
export function isComputable({ subject, engine }: PlanInput, name: string): boolean {
  if (name === "" || subject.choices.length === 0 || subject.spec.status !== "ok") return true;
  return RUNTIMES[engine].typeWeights(subject.spec.spec, name, subject).status !== "error";
}

/** null: the engine has one type, or none is known. */
function kvTypeSetting(view: SettingsView): Html | null {
  const base = text(view, "kv_type", "KV cache type");
  const engine = view.scene?.input.engine ?? null;
  const offered = engine === null ? ["f16", "q8_0", "q4_0"] : RUNTIMES[engine].kvOffered;
  // llama.cpp's own type is one of its names; other engines' own is what the model was saved in.
  const own = offered.includes(defaultOf("kv_type")) ? defaultOf("kv_type") : "";
  const value = base.value === "" ? own : base.value.toLowerCase();
  if (offered.length === 0 && value === own && base.error === null) return null;
  const named = own === "" ? ["", ...offered] : offered;
  const options = named.includes(value) ? named : [...named, value];
  return choiceSetting({
    ...base,
    value,
    options: options.map((type) => ({ value: type, text: type === "" ? "engine’s own" : type.replace(",", " · ") })),
    note: view.scene === null ? null : kvTypeNote(view.scene),
  });
}

export function kvTypeNote({ drawn, input }: Scene): Html {
  if (drawn === null) return html``;
  const kv = drawn.plan.layers.kv.reduce((sum, bytes) => sum + bytes, 0);
  if (kv === 0) return html`<span>this model has no KV cache</span>`;
  const { kv_type } = drawn.plan.options;
  if (!RUNTIMES[input.engine].kvOffered.includes("q8_0"))
    return html`${typeof kv_type === "string" && html`<span>planned as ${kv_type}</span>`}`;
  if (kv_type !== "f16") return html`<span>quantised: converted in scratch that compute holds</span>`;
  return html`<span>q8_0 would save ${formatBytes(kv * (1 - 34 / 64))} of KV</span>`;
}

function gpuLayersSetting(view: SettingsView): Html | null {
  const { scene } = view;
  const base = text(view, "gpu_layers", "Layers on GPU");
  if (scene?.drawn == null || scene.machine.accelerators.length === 0) {
    return base.value === "" && base.error === null
      ? null
      : sliderSetting({ ...base, unit: "", placeholder: "auto", places: null, note: null, moves: null });
  }
  const now = option(view, "gpu_layers");
  if (now === null) return null;
  const all = offloadableLayers(scene.drawn.model);
  return sliderSetting({
    ...base,
    unit: "",
    placeholder: now >= all ? `all ${all}` : `auto: ${now}`,
    places: { now, last: all },
    note: gpuLayersNote(scene),
    moves: null,
  });
}

export function gpuLayersNote({ drawn, result }: Scene): Html {
  if (drawn === null) return html``;
  const all = offloadableLayers(drawn.model);
  const most = result.limits.gpu_layers;
  return html`<span>0</span><span>${most !== null && (most >= all ? "all fit, the head counts as one" : `${most} fit`)}</span><span>${all}</span>`;
}

function moreSettings(view: SettingsView): Html {
  const { form } = view;
  const ubatch = option(view, "ubatch") ?? 512;
  const base = text(view, "ubatch", "Tokens a step (ubatch)");
  // What the engine has resolved is what it has; a value that was given stays, so that it can be taken back.
  const resolved = view.scene?.drawn?.plan.options;
  const has = (field: string): boolean =>
    resolved === undefined || Object.hasOwn(resolved, field) || form[field] !== undefined;
  const select = (field: string, label: string, options: readonly Option[]): Html | null =>
    has(field)
      ? selectSetting({ ...text(view, field, label), value: form[field] ?? defaultOf(field), options, note: null })
      : null;
  const same = (...values: readonly string[]): Option[] => values.map((value) => ({ value, text: value }));
  const plain = (field: string, label: string, placeholder: string): Html | null =>
    has(field)
      ? sliderSetting({ ...text(view, field, label), unit: "", placeholder, places: null, note: null, moves: null })
      : null;
  const open = MORE_FIELDS.some((field) => form[field] !== undefined || view.errors[field] !== undefined);
  return html`<details class="more"${open && html` open`}><summary>More<span class="then">${resolved === undefined || has("cpu_moe_layers") ? "batch, flash attention, split, experts" : "batch"}</span></summary>${
    has("ubatch") &&
    sliderSetting({
      ...base,
      unit: "",
      placeholder: "512",
      places:
        view.scene?.drawn == null ? null : { now: placeOf(UBATCH_PLACES, ubatch), last: UBATCH_PLACES.length - 1 },
      note: null,
      moves: html`<span class="sw compute"></span>compute, once per step`,
    })
  }${plain("batch", "Tokens a batch", "2,048")}${has("flash_attention") && kvPair(view)}${select("flash_attention", "Flash attention", same("auto", "on", "off"))}${select(
    "kv_unified",
    "KV pool",
    [
      { value: "false", text: "one for each sequence" },
      { value: "true", text: "shared by all sequences" },
    ],
  )}${select("swa_full", "Windowed layers", [
    { value: "false", text: "as long as the window" },
    { value: "true", text: "full length" },
  ])}${select("split_mode", "Split over GPUs", same("layer", "row", "none"))}${plain("tensor_split", "Shares of the GPUs", "by free memory")}${plain("cpu_moe_layers", "Layers with experts in system memory", "0")}${plain("override_tensor", "Override tensor", "REGEX=BUFFER")}${select("program", "Program", same("llama-server", "llama-cli", "llama-bench", "api"))}${hiddenFields(form)}<div class="submit nojs"><button class="primary">Calculate</button></div></details>`;
}

const MORE_FIELDS = [
  "ubatch",
  "batch",
  "flash_attention",
  "kv_unified",
  "swa_full",
  "split_mode",
  "tensor_split",
  "cpu_moe_layers",
  "override_tensor",
  "program",
];

/** K and V apart: for script, since a form has one field for both. */
function kvPair({ form }: SettingsView): Html {
  const [k, v = k] = (form.kv_type ?? defaultOf("kv_type")).toLowerCase().split(",");
  const types = KV_TYPES.map((type) => type.toLowerCase());
  const list = (id: string, label: string, chosen: string | undefined): Html =>
    html`<div class="setting"><div class="row"><label for="${id}">${label}</label></div><select id="${id}" autocomplete="off">${types.map(
      (type) => html`<option value="${type}"${type === chosen && html` selected`}>${type}</option>`,
    )}</select></div>`;
  return html`<div class="pair js">${list("kv-k", "K cache", k)}${list("kv-v", "V cache", v)}</div>`;
}

const HIDDEN_FIELDS = [
  "engine_version",
  "reserve_bytes",
  "prompt_tokens",
  "at_context",
  "tensor_parallel",
  "pipeline_parallel",
  "memory_utilization",
  "mla",
  "attention_max_batch",
  "draft",
  "mmproj",
  "lora",
];

/** Fields of the request without a control of their own stay in the address. */
function hiddenFields(form: FormValues): Html {
  return html`${HIDDEN_FIELDS.map(
    (field) => form[field] !== undefined && html`<input type="hidden" name="${field}" value="${form[field]}">`,
  )}`;
}
