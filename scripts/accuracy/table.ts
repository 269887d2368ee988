/** Rows of equal keys as a Markdown table; columns of numbers stand to the right. */
export type Row = Readonly<Record<string, string | number>>;

export function table(rows: readonly Row[]): string {
  const keys = Object.keys(rows[0] ?? {});
  const isNumber = (key: string): boolean => rows.every((row) => typeof row[key] === "number");
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(keys),
    line(keys.map((key) => (isNumber(key) ? "--:" : "---"))),
    ...rows.map((row) => line(keys.map((key) => cellText(row[key] ?? "")))),
  ].join("\n");
}

function cellText(cell: string | number): string {
  return typeof cell === "number" ? cell.toLocaleString("en-US") : cell;
}
