/** `lspci -Dnnmm`: one device a line, quoted; classes 03xx are display controllers. */

export interface PciDisplay {
  /** "0000:01:00.0" */
  readonly address: string;
  /** "10de" */
  readonly vendorId: string;
  readonly deviceId: string;
  /** The name in brackets where there is one ("GeForce RTX 3080 Ti" of "GA102 [GeForce RTX 3080 Ti]"), else the whole. */
  readonly name: string;
  /** What stands before the brackets: "Navi 31", "Strix Halo". */
  readonly codename: string;
}

export function parseLspci(text: string): PciDisplay[] {
  const displays: PciDisplay[] = [];
  for (const line of text.split("\n")) {
    const address = /^(?:([0-9a-f]{4}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) /i.exec(line);
    const cells = [...line.matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? "");
    const [kind, vendor, device] = cells.map(splitId);
    if (address === null || kind === undefined || vendor === undefined || device === undefined) continue;
    if (!kind.id.startsWith("03")) continue;
    const bracket = /^(.*?)\s*\[(.*)\]$/.exec(device.text);
    displays.push({
      address: `${address[1] ?? "0000"}:${address[2]}`.toLowerCase(),
      vendorId: vendor.id,
      deviceId: device.id,
      name: bracket?.[2] ?? device.text,
      codename: bracket?.[1] ?? device.text,
    });
  }
  return displays;
}

/** "GA102 [GeForce RTX 3080 Ti] [2208]" → the text and the id in the last brackets. */
function splitId(cell: string): { readonly text: string; readonly id: string } {
  const match = /^(.*?)\s*\[([0-9a-f]{4})\]$/i.exec(cell);
  return match === null ? { text: cell, id: "" } : { text: match[1] ?? "", id: (match[2] ?? "").toLowerCase() };
}
