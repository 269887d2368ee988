/**
 * The plan while it is moved: the form is read once a frame, the plan made anew with the server's own code, and what a
 * hand on a slider looks at is drawn. The rest (tables, words for a screen reader, the address) follows when it rests.
 */
import type { PlanInput } from "../../math/plan-input.ts";
import { offloadableLayers } from "../../math/runtime/llama-cpp/placement.ts";
import { type Chart, type Charted, memoryChart } from "./chart.ts";
import { readForm, type SliderSet, showFieldError, sliderSet } from "./controls-live.ts";
import { curveOf } from "./curve.ts";
import { optionalPart, part, setAttribute, setHtml, setText } from "./dom.ts";
import { type FormValues, planHref, withValues } from "./fields.ts";
import { focusOf } from "./focus.ts";
import { LOADED_FIELDS, liveOptions } from "./live-options.ts";
import { contextPlaces } from "./positions.ts";
import { FRAGMENTS, type FragmentName, firstSelected } from "./result-view.ts";
import { type DrawnScene, isDrawn, movingScene, sceneOf } from "./scene.ts";
import {
  contextMoves,
  contextNote,
  gpuLayersNote,
  isComputable,
  kvTypeNote,
  sequencesNote,
  weightsNote,
} from "./settings.ts";
import { type SkyHost, skyHost } from "./sky-host.ts";
import { spokenVerdict } from "./verdict.ts";

/** After the last input. */
const REST_MS = 150;
const ADDRESS_MS = 250;

/** Drawn with every step; the others at rest. */
const MOVING: readonly FragmentName[] = ["say", "meters", "readout"];
const RESTING: readonly FragmentName[] = [
  "why",
  "metrics",
  "changes",
  "notes",
  "kinds",
  "parts",
  "layers",
  "contexts",
  "command",
  "terms",
];

export interface LivePlan {
  /** Something in the form has changed. */
  readonly changed: () => void;
  readonly select: (layer: number) => void;
  readonly restyle: () => void;
}

export function livePlan(start: { readonly input: PlanInput; readonly form: FormValues }): LivePlan {
  const form = part("plan-form", HTMLFormElement);
  let scene = firstScene(start.input);
  let values = start.form;
  let selected = firstSelected(scene.drawn.model.layers.length);
  let frame = 0;
  let rest: ReturnType<typeof setTimeout> | undefined;
  let address: ReturnType<typeof setTimeout> | undefined;

  const layers = scene.drawn.model.layers.length;
  const sky: SkyHost = skyHost(part("sky", HTMLCanvasElement), select, () => sky.draw(scene, selected));
  const chart: Chart = memoryChart(part("curve", HTMLElement));
  const trained = scene.result.model.context_trained;
  const sliders: SliderSet = sliderSet(trained, offloadableLayers(scene.drawn.model), changed);

  function changed(): void {
    clearTimeout(rest);
    clearTimeout(address);
    document.documentElement.dataset.rest = "false";
    if (frame === 0) frame = requestAnimationFrame(step);
    rest = setTimeout(settle, REST_MS);
    address = setTimeout(keepAddress, ADDRESS_MS);
  }

  function keepAddress(): void {
    history.replaceState(history.state, "", planHref(values));
    document.documentElement.dataset.rest = "true";
  }

  function step(): void {
    frame = 0;
    values = readForm(form);
    const asked = liveOptions(values, start.input.options);
    showFieldError(asked.status === "wrong" ? asked : null);
    if (asked.status === "wrong") return;
    const next = movingScene({ ...start.input, weights: asked.weights, options: asked.options }, scene.result.limits);
    if (!isDrawn(next)) {
      showFieldError({
        field: refusedField(values, scene),
        message: next.result.error?.message ?? next.result.reason ?? "",
      });
      return;
    }
    scene = next;
    draw();
    chart.follow(charted());
  }

  /** The picture first: a canvas that is told a font has the page's pending style computed. */
  function draw(): void {
    sky.draw(scene, selected);
    for (const name of MOVING) show(name);
    sliders.show(scene);
    setHtml(part("m-context", HTMLElement), contextMoves(scene));
  }

  function charted(): Charted {
    const { context: _, ...others } = scene.input.options;
    return {
      key: JSON.stringify([others, scene.input.weights, scene.drawn.plan.options.gpu_layers]),
      curve: (every) => curveOf(scene, every),
      marks: {
        now: scene.drawn.context,
        nowBytes: focusOf(scene).needBytes,
        limit: scene.result.limits.max_context,
      },
    };
  }

  function settle(): void {
    const rested = sceneOf(scene.input);
    if (isDrawn(rested)) scene = rested;
    draw();
    chart.show(charted());
    for (const name of RESTING) show(name);
    setText(part("spoken", HTMLElement), spokenVerdict(scene));
    part("asked", HTMLElement).replaceChildren();
    showNotes();
  }

  function showNotes(): void {
    const put = (id: string, make: () => Parameters<typeof setHtml>[1]): void => {
      const element = optionalPart(id, HTMLElement);
      if (element !== null) setHtml(element, make());
    };
    if (trained !== null) put("n-context", () => contextNote(scene, values, contextPlaces(trained)[0] ?? 0, trained));
    put("n-sequences", () => sequencesNote(scene));
    put("n-weights", () => weightsNote(scene, values));
    put("n-kv_type", () => kvTypeNote(scene));
    put("n-gpu_layers", () => gpuLayersNote(scene));
  }

  function show(name: FragmentName): void {
    setHtml(part(name, HTMLElement), FRAGMENTS[name](scene, values, selected));
  }

  function select(layer: number): void {
    const next = Math.min(layers - 1, Math.max(0, layer));
    if (next === selected) return;
    selected = next;
    const readout = part("readout", HTMLElement);
    setAttribute(readout, "aria-valuenow", String(selected));
    setAttribute(readout, "aria-valuetext", `Layer ${selected}`);
    show("readout");
    sky.draw(scene, selected);
    clearTimeout(rest);
    rest = setTimeout(settle, REST_MS);
  }

  form.addEventListener("input", (event) => {
    const { target } = event;
    if (!(target instanceof HTMLInputElement || target instanceof HTMLSelectElement) || target.name === "") return;
    if (!LOADED_FIELDS.has(target.name)) changed();
  });
  form.addEventListener("change", (event) => {
    const { target } = event;
    // Another engine names weights and caches otherwise, and is another load of the page.
    if (target instanceof HTMLSelectElement && target.name === "engine") {
      const { model = "", engine = "", device = "", context = "", sequences = "" } = readForm(form);
      location.assign(planHref(withValues({}, { model, engine, device, context, sequences })));
    }
    if (target instanceof HTMLSelectElement && target.name === "weights" && !isComputable(start.input, target.value)) {
      location.assign(planHref({ ...readForm(form), model: `${start.input.subject.id}:${target.value}`, weights: "" }));
    }
  });
  draw();
  chart.show(charted());
  showNotes();
  document.documentElement.dataset.rest = "true";
  return {
    changed,
    select,
    restyle() {
      sky.restyle();
      chart.restyle();
      draw();
    },
  };
}

function firstScene(input: PlanInput): DrawnScene {
  const scene = sceneOf(input);
  if (isDrawn(scene)) return scene;
  throw new Error("The page handed over a plan without numbers");
}

/** A plan that the engine refuses is about one field; the one that was changed last is the likeliest. */
function refusedField(values: FormValues, before: DrawnScene): string {
  const kv = values.kv_type ?? "f16";
  if (kv !== before.drawn.plan.options.kv_type) return "kv_type";
  return values.tensor_split === undefined ? "sequences" : "tensor_split";
}
