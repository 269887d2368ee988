/** The controls in the browser: sliders beside their fields, marks of what fits, errors at the field. */
import { formatInteger } from "../../math/format.ts";
import { optionalPart, setAttribute, setText } from "./dom.ts";
import { defaultOf, type FormValues, formOf, plainNumber } from "./fields.ts";
import { contextPlaces, PLACES_PER_OCTAVE, placeOf, SEQUENCE_PLACES, shareOf, UBATCH_PLACES } from "./positions.ts";
import type { Scene } from "./scene.ts";

/** What stands in the form, as the address would have it. */
export function readForm(form: HTMLFormElement): FormValues {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (typeof value === "string") query.append(name, value);
  return formOf(query);
}

interface Slider {
  readonly field: string;
  readonly input: HTMLInputElement;
  readonly range: HTMLInputElement;
  readonly track: HTMLElement;
  readonly places: readonly number[];
  /** Places that Page Up and Page Down move. */
  readonly page: number;
  readonly word: string;
  readonly valueIn: (scene: Scene) => number;
  readonly limitOf: (scene: Scene) => number | null;
}

export interface SliderSet {
  /** After a new plan: places, marks and what a screen reader says. */
  readonly show: (scene: Scene) => void;
}

function option(name: string): (scene: Scene) => number {
  return (scene) => Number(scene.drawn?.plan.options[name] ?? 0);
}

export function sliderSet(trained: number | null, offloadable: number, onMove: () => void): SliderSet {
  const found: Slider[] = [];
  const add = (
    field: string,
    places: readonly number[],
    page: number,
    word: string,
    limitOf: Slider["limitOf"],
  ): void => {
    const input = optionalPart(`f-${field}`, HTMLInputElement);
    const range = optionalPart(`r-${field}`, HTMLInputElement);
    const track = optionalPart(`s-${field}`, HTMLElement);
    if (input === null || range === null || track === null) return;
    const slider = { field, input, range, track, places, page, word, limitOf, valueIn: option(field) };
    found.push(slider);
    listen(slider, onMove);
  };
  if (trained !== null) {
    add("context", contextPlaces(trained), PLACES_PER_OCTAVE, "tokens", (scene) => scene.result.limits.max_context);
  }
  add("sequences", SEQUENCE_PLACES, 4, "sequences", (scene) => scene.result.limits.max_sequences);
  add("ubatch", UBATCH_PLACES, 2, "tokens a step", () => null);
  const layers = Array.from({ length: offloadable + 1 }, (_, i) => i);
  add("gpu_layers", layers, 4, "layers", (scene) => scene.result.limits.gpu_layers);
  const shown = new Map<string, string>();
  return {
    show(scene) {
      for (const slider of found) {
        // What is typed may say the same otherwise, and is looked at too.
        const key = [slider.valueIn(scene), slider.limitOf(scene), slider.range.value, slider.input.value].join();
        if (shown.get(slider.field) === key) continue;
        showSlider(slider, scene);
        shown.set(slider.field, key);
      }
    },
  };
}

function listen({ field, input, range, places, page }: Slider, onMove: () => void): void {
  const set = (place: number): void => {
    const value = places[place] ?? 0;
    input.value = field === "context" ? formatInteger(value) : String(value) === defaultOf(field) ? "" : String(value);
    onMove();
  };
  range.addEventListener("input", () => set(Number(range.value)));
  range.addEventListener("keydown", (event) => {
    const step = event.key === "PageUp" ? page : event.key === "PageDown" ? -page : 0;
    if (step === 0) return;
    event.preventDefault();
    range.value = String(Math.min(places.length - 1, Math.max(0, Number(range.value) + step)));
    set(Number(range.value));
  });
}

function showSlider({ field, input, range, track, places, word, valueIn, limitOf }: Slider, scene: Scene): void {
  const value = valueIn(scene);
  const limit = limitOf(scene);
  const place = placeOf(places, value);
  if (Number(range.value) !== place) range.value = String(place);
  const last = places.length - 1;
  track.style.setProperty("--v", String(last === 0 ? 1 : place / last));
  track.style.setProperty("--limit", String(limit === null ? 1 : shareOf(places, limit)));
  track.classList.toggle("free", limit === null || limit >= (places[last] ?? 0));
  track.classList.toggle("beyond", limit !== null && value > limit);
  const most = limit === null ? "" : `, largest that fits ${formatInteger(limit)}`;
  setAttribute(range, "aria-valuetext", `${formatInteger(value)} ${word}${most}`);
  if (field === "gpu_layers") {
    input.placeholder = value >= last ? `all ${last}` : `auto: ${value}`;
    if (input.value !== "" && Number(plainNumber(input.value)) === last) input.value = "all";
  }
  if (field === "context") input.placeholder = formatInteger(value);
}

/** Writes the sentence beside the field that is wrong, and takes others away. */
export function showFieldError(wrong: { readonly field: string; readonly message: string } | null): void {
  for (const stale of document.querySelectorAll("[data-live-error]")) {
    const field = stale.getAttribute("data-live-error") ?? "";
    if (field === wrong?.field) continue;
    stale.remove();
    optionalPart(`f-${field}`, HTMLElement)?.removeAttribute("aria-invalid");
  }
  if (wrong === null) return;
  const setting = optionalPart(`set-${wrong.field}`, HTMLElement);
  if (setting === null) return;
  const id = `live-${wrong.field}`;
  let line = optionalPart(id, HTMLElement);
  if (line === null) {
    line = document.createElement("p");
    line.id = id;
    line.className = "fielderr";
    line.setAttribute("role", "alert");
    line.setAttribute("data-live-error", wrong.field);
    setting.append(line);
  }
  setText(line, wrong.message);
  optionalPart(`f-${wrong.field}`, HTMLElement)?.setAttribute("aria-invalid", "true");
}
