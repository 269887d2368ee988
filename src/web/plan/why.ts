/** "Run it" and "Why this number": the command, and each term's formula with this plan's numbers and how well it is known. */
import { formatBytes } from "../../math/format.ts";
import type { AskedMemory, Basis, Part } from "../../math/result.ts";
import { type Html, html } from "../html.ts";
import { focusOf, shortDevice } from "./focus.ts";
import { BASIS_WORDS, PART_VIEWS, type Swatch } from "./parts.ts";
import type { DrawnScene } from "./scene.ts";
import { rangeWords } from "./verdict.ts";

export function commandFragment({ result }: DrawnScene): Html {
  return html`<i>$ </i>${result.command ?? ""}`;
}

export interface Term {
  readonly name: string;
  readonly swatch: Swatch | null;
  readonly formula: string;
  readonly value: string;
  readonly basis: Basis | null;
}

const SWATCHES: readonly (readonly [RegExp, Swatch])[] = [
  [/^Weights/, "weights"],
  [/^KV/, "kv"],
  [/^State/, "state"],
  [/^Compute/, "compute"],
  [/^Output/, "output"],
  [/^Driver/, "overhead"],
];

/** A line of the answer's explanation, "name: formula = value (basis)", taken apart; a line of another shape stays whole. */
export function termOf(line: string): Term {
  const found = /^([^:]+): (.*) = ([^=]+?) \((exact|modelled|measured|engine)[^)]*\)$/.exec(line);
  const name = found?.[1] ?? line.split(":")[0] ?? "";
  return {
    name,
    swatch: SWATCHES.find(([pattern]) => pattern.test(name))?.[1] ?? null,
    formula: found?.[2] ?? line.slice(name.length + 2),
    value: bytesAsSize(found?.[3] ?? ""),
    basis: (found?.[4] as Basis | undefined) ?? null,
  };
}

/** "4,912,898,048 B" → "4.6 GiB"; what is a size already stays. */
function bytesAsSize(value: string): string {
  const exact = /^([\d,]+) B$/.exec(value)?.[1];
  return exact === undefined ? value : formatBytes(Number(exact.replaceAll(",", "")));
}

export function basisTag(basis: Basis): Html {
  return html`<span class="tag ${basis}">${BASIS_WORDS[basis]}</span>`;
}

export function whyTable(scene: DrawnScene): Html {
  const { result } = scene;
  const { besideBytes, host } = focusOf(scene);
  const terms = (result.explanation ?? []).map(termOf);
  const { total_bytes: total, low_bytes: low, high_bytes: high } = result.memory;
  return html`<div class="scroll"><table class="terms"><caption class="vh">Each part with its formula</caption><thead><tr><th scope="col">Part</th><th scope="col" class="num">Size</th><th scope="col">Formula with this plan’s numbers</th><th scope="col">Basis</th></tr></thead><tbody>${terms.map(
    (term) =>
      html`<tr><th scope="row">${term.swatch !== null && html`<span class="sw ${term.swatch}"></span>`}${shortDevice(term.name)}</th><td class="num"><b>${term.value}</b></td><td class="f">${term.formula}</td><td>${term.basis !== null && basisTag(term.basis)}</td></tr>`,
  )}</tbody><tfoot><tr><th scope="row">Total</th><td class="num">${total !== null && formatBytes(total)}</td><td class="dim">${
    low !== null &&
    high !== null &&
    html`${
      besideBytes > 0 && !host && `${formatBytes(besideBytes)} of it in system memory; `
    }in four of five cases ${rangeWords(low, high)}`
  }</td><td></td></tr></tfoot></table></div>`;
}

/** What llama.cpp itself says of this plan, beside ours; a part it does not report is a dash. */
export function askedTable(ours: Readonly<Record<Part, number>>, asked: AskedMemory, notes: readonly string[]): Html {
  const rows = PART_VIEWS.filter(({ part }) => part !== "overhead_bytes").map(({ part, name, swatch }) => {
    const theirs = asked[part as keyof AskedMemory & Part] ?? null;
    const difference = theirs === null ? null : ours[part] - theirs;
    return html`<tr><th scope="row"><span class="sw ${swatch}"></span>${name}</th><td class="num">${formatBytes(ours[part])}</td><td class="num">${
      theirs === null ? "–" : formatBytes(theirs)
    }</td><td class="num">${difference === null ? "–" : difference === 0 ? "equal" : `${difference > 0 ? "+" : ""}${formatBytes(difference)}`}</td></tr>`;
  });
  return html`<div class="scroll"><table><caption>${asked.engine} ${asked.version}, asked for this plan without loading a weight</caption><thead><tr><th scope="col">Part</th><th scope="col" class="num">hwLedger</th><th scope="col" class="num">${asked.engine}</th><th scope="col" class="num">Difference</th></tr></thead><tbody>${rows}</tbody></table></div>${
    notes.length > 0 && html`<p class="meta">${notes.join(" ")}</p>`
  }`;
}
