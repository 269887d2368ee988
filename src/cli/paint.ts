/** Colours of a terminal, or none. */
export interface Paint {
  readonly bold: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly doubt: (text: string) => string;
}

const same = (text: string): string => text;
export const PLAIN: Paint = { bold: same, good: same, bad: same, doubt: same };
export const PAINT: Paint = { bold: ansi(1), good: ansi(32), bad: ansi(31), doubt: ansi(33) };

function ansi(code: number): (text: string) => string {
  return (text) => `\u001b[${code}m${text}\u001b[0m`;
}
