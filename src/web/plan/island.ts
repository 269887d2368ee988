/** The Plan page's script: takes over from the form where a plan is shown, and leaves the rest to links. */
import { watchConnection } from "./connection.ts";
import { optionalPart, part } from "./dom.ts";
import { finderKeys, pageKeys, readoutKeys } from "./keys.ts";
import { type LivePlan, livePlan } from "./live.ts";
import { loadEngine } from "./one-engine.ts";
import { startPassingState } from "./passing.ts";
import { decodeScene, type WireScene } from "./wire-scene.ts";

async function takeOver(data: HTMLScriptElement): Promise<void> {
  const scene = decodeScene(JSON.parse(data.textContent ?? "") as WireScene);
  await loadEngine(scene.input.engine);
  const live = livePlan(scene);
  const readout = part("readout", HTMLElement);
  readoutKeys(readout, (steps) => live.select(Number(readout.getAttribute("aria-valuenow")) + steps));
  kvPair(live);
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-context]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    part("f-context", HTMLInputElement).value = link.dataset.context ?? "";
    live.changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => live.restyle());
}

/** K and V apart: two lists that together make the one field, as a choice beside the usual ones. */
function kvPair(live: LivePlan): void {
  const k = optionalPart("kv-k", HTMLSelectElement);
  const v = optionalPart("kv-v", HTMLSelectElement);
  const choices = document.querySelector("#set-kv_type .seg");
  if (k === null || v === null || choices === null) return;
  const radios = (): HTMLInputElement[] => [...choices.querySelectorAll("input")];
  const chosen = (): void => {
    const value = k.value === v.value ? k.value : `${k.value},${v.value}`;
    let radio = radios().find((one) => one.value === value);
    if (radio === undefined) {
      const label = document.createElement("label");
      radio = Object.assign(document.createElement("input"), { type: "radio", name: "kv_type", value });
      label.append(radio, value.replace(",", " · "));
      choices.append(label);
    }
    radio.checked = true;
    live.changed();
  };
  for (const list of [k, v]) list.addEventListener("change", chosen);
  choices.addEventListener("change", () => {
    const [kType = "f16", vType = kType] =
      radios()
        .find((one) => one.checked)
        ?.value.split(",") ?? [];
    k.value = kType;
    v.value = vType;
  });
}

startPassingState();
pageKeys();
finderKeys();
watchConnection();
const data = optionalPart("scene", HTMLScriptElement);
if (data !== null) await takeOver(data);
