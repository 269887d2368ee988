/** The controls settings are made of. Each has a name field that a form sends; sliders stand beside it for script alone. */
import { flag, type Html, html } from "../html.ts";

export interface ControlText {
  readonly field: string;
  readonly label: string;
  /** As the form has it, kept even when it is wrong. */
  readonly value: string;
  readonly error: string | null;
}

export function errorText({ field, error }: ControlText): Html {
  return html`${error !== null && html`<p class="fielderr" id="e-${field}">${error}</p>`}`;
}

function describedBy(control: ControlText, note: boolean): Html {
  const ids = [...(control.error === null ? [] : [`e-${control.field}`]), ...(note ? [`n-${control.field}`] : [])];
  return html`${ids.length > 0 && html` aria-describedby="${ids.join(" ")}"`}${control.error !== null && html` aria-invalid="true"`}`;
}

export interface SliderControl extends ControlText {
  readonly unit: string;
  readonly placeholder: string;
  /** Place of the slider now and its last place; null: no slider without knowing the model. */
  readonly places: { readonly now: number; readonly last: number } | null;
  readonly note: Html | null;
  readonly moves: Html | null;
}

export function sliderSetting(control: SliderControl): Html {
  const { field, label, value, places, note } = control;
  return html`<div class="setting" id="set-${field}"><div class="row"><label for="f-${field}">${label}</label><span class="val"><input type="text" inputmode="numeric" autocomplete="off" id="f-${field}" name="${field}" value="${value}" placeholder="${control.placeholder}"${describedBy(control, note !== null)}>${
    control.unit !== "" && html` ${control.unit}`
  }</span></div>${
    places !== null &&
    html`<div class="slider js" id="s-${field}"><span class="over"></span><span class="mark"></span><input type="range" id="r-${field}" aria-label="${label}" min="0" max="${places.last}" step="1" value="${places.now}" autocomplete="off"></div>`
  }${note !== null && html`<div class="note" id="n-${field}">${note}</div>`}${
    control.moves !== null && html`<div class="moves" id="m-${field}">${control.moves}</div>`
  }${errorText(control)}</div>`;
}

export interface Option {
  readonly value: string;
  readonly text: string;
}

export function selectSetting(
  control: ControlText & { readonly options: readonly (Option | OptionGroup)[]; readonly note: Html | null },
): Html {
  const { field, label, options, note } = control;
  return html`<div class="setting" id="set-${field}"><div class="row"><label for="f-${field}">${label}</label></div><select id="f-${field}" name="${field}" autocomplete="off"${describedBy(control, note !== null)}>${options.map(
    (option) => ("options" in option ? optionGroup(option, control.value) : optionTag(option, control.value)),
  )}</select>${note !== null && html`<div class="note" id="n-${field}">${note}</div>`}${errorText(control)}</div>`;
}

export interface OptionGroup {
  readonly label: string;
  readonly options: readonly Option[];
}

function optionGroup(group: OptionGroup, chosen: string): Html {
  return html`<optgroup label="${group.label}">${group.options.map((option) => optionTag(option, chosen))}</optgroup>`;
}

function optionTag({ value, text }: Option, chosen: string): Html {
  return html`<option value="${value}"${flag("selected", value === chosen)}>${text}</option>`;
}

export function choiceSetting(
  control: ControlText & { readonly options: readonly Option[]; readonly note: Html | null },
): Html {
  const { field, label, options, note } = control;
  return html`<fieldset class="setting" id="set-${field}"${describedBy(control, note !== null)}><legend>${label}</legend><div class="seg">${options.map(
    ({ value, text }) =>
      html`<label><input type="radio" name="${field}" value="${value}"${flag("checked", value === control.value)} autocomplete="off">${text}</label>`,
  )}</div>${note !== null && html`<div class="note" id="n-${field}">${note}</div>`}${errorText(control)}</fieldset>`;
}
