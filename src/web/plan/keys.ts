/** Keys of the whole page, and of the two places that have their own: the readout and the list of models. */
import { optionalPart } from "./dom.ts";

const LAYER_STEPS: Readonly<Record<string, number>> = {
  ArrowRight: 1,
  ArrowUp: 1,
  ArrowLeft: -1,
  ArrowDown: -1,
  PageUp: 4,
  PageDown: -4,
};

/** @param move to a layer by a number of steps; ±Infinity for the ends */
export function readoutKeys(readout: HTMLElement, move: (steps: number) => void): void {
  readout.addEventListener("keydown", (event) => {
    const steps =
      event.key === "Home"
        ? Number.NEGATIVE_INFINITY
        : event.key === "End"
          ? Number.POSITIVE_INFINITY
          : LAYER_STEPS[event.key];
    if (steps === undefined) return;
    event.preventDefault();
    move(steps);
  });
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.matches("input:not([type=range]):not([type=radio]), select, textarea") || target.isContentEditable)
  );
}

export function pageKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "/") {
      const model = optionalPart("f-model", HTMLInputElement);
      event.preventDefault();
      model?.focus();
      model?.select();
    } else if (event.key === "c") {
      optionalPart("copy-command", HTMLButtonElement)?.click();
    } else if (event.key === "?") {
      optionalPart("keys", HTMLDialogElement)?.showModal();
    }
  });
}

/** From the field into the list of what was found and back, with arrows; Escape leaves it. */
export function finderKeys(): void {
  const field = optionalPart("f-model", HTMLInputElement);
  const found = optionalPart("found", HTMLElement);
  if (field === null || found === null) return;
  const leave = (): void => {
    found.replaceChildren();
  };
  const links = (): HTMLElement[] => [...found.querySelectorAll("a")];
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave();
    const [first] = links();
    if (event.key !== "ArrowDown" || first === undefined) return;
    event.preventDefault();
    first.focus();
  });
  found.addEventListener("keydown", (event) => {
    const all = links();
    const at = document.activeElement instanceof HTMLElement ? all.indexOf(document.activeElement) : -1;
    if (event.key === "Escape") {
      leave();
      field.focus();
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      all[Math.min(all.length - 1, at + 1)]?.focus();
    } else if (event.key === "ArrowUp") {
      event.preventDefault();
      (at <= 0 ? field : all[at - 1])?.focus();
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (event.target instanceof Node && !found.contains(event.target) && event.target !== field) leave();
  });
}
