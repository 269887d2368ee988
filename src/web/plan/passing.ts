/** Passing state alone, kept by Alpine: what was just copied, whether the list of models is open. */
import Alpine from "@alpinejs/csp";
import { optionalPart } from "./dom.ts";

const COPIED_MS = 2_000;

export function startPassingState(): void {
  Alpine.data("copy", () => ({
    copied: false,
    label(this: { copied: boolean }, text: string): string {
      return this.copied ? "Copied" : text;
    },
    async copyCommand(this: { copied: boolean }): Promise<void> {
      const text = optionalPart("command", HTMLElement)?.textContent ?? "";
      await copy(this, text.replace(/^\$\s*/, ""));
    },
    async copyLink(this: { copied: boolean }): Promise<void> {
      await copy(this, location.href);
    },
  }));
  Alpine.data("finder", () => ({
    open: true,
    init(this: { open: boolean; $el: HTMLElement }): void {
      new MutationObserver(() => {
        this.open = this.$el.childElementCount > 0;
      }).observe(this.$el, { childList: true });
    },
    close(this: { open: boolean }): void {
      this.open = false;
    },
  }));
  Object.assign(window, { Alpine });
  Alpine.start();
}

async function copy(state: { copied: boolean }, text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
  state.copied = true;
  setTimeout(() => {
    state.copied = false;
  }, COPIED_MS);
}
