/** `hwledger models list|show MODEL`. */
import { AppError } from "../errors.ts";
import type { LocalModel } from "../hub/local.ts";
import type { OpenedModel } from "../hub/open.ts";
import { formatDownload, formatInteger, formatParameters } from "../math/format.ts";
import { countParameters } from "../math/parts/parameters.ts";
import { type Context, EXIT, type RunCommand } from "./command.ts";

export const runModels: RunCommand = async ({ positionals }, context) => {
  const [verb, model] = positionals;
  if (verb === "list") {
    if (model !== undefined)
      throw new AppError("usage", `Cannot use "${model}" with hwledger models list: it takes options only`, {
        hint: `hwledger models show ${model}`,
      });
    return await listModels(context);
  }
  if (model === undefined)
    throw new AppError("usage", "Cannot run hwledger models show without a MODEL", { hint: "hwledger models list" });
  return await showModel(model, context);
};

async function listModels({ config, out, json }: Context): Promise<number> {
  const { localModels } = await import("../hub/local.ts");
  const models = localModels({ sharedCacheDir: config.hub.sharedCacheDir, folders: [] });
  if (json) out.write(`${JSON.stringify({ schema: "hwledger.models/1", models: models.map(modelObject) }, null, 2)}\n`);
  else out.write(renderList(models, config.hub.sharedCacheDir));
  return EXIT.done;
}

function modelObject(model: LocalModel): object {
  const { ref, format, name, path, bytes, revision, incomplete } = model;
  return { model: ref, format, name, path, bytes, hub_id: model.hubId, revision, incomplete };
}

export function renderList(models: readonly LocalModel[], folder: string): string {
  if (models.length === 0) return `No models in ${folder}.\n`;
  const rows = models.map(
    (m) => [m.hubId ?? m.path, m.name, formatDownload(m.bytes), m.incomplete ? "incomplete" : "", m.ref] as const,
  );
  const width = (column: 0 | 1 | 2 | 3): number => Math.max(...rows.map((row) => row[column].length));
  const widths = [width(0), width(1), width(2), width(3)] as const;
  return `${rows
    .map((row) =>
      `${row[0].padEnd(widths[0])}  ${row[1].padEnd(widths[1])}  ${row[2].padStart(widths[2])}  ${row[3].padEnd(widths[3])}  ${row[4]}`.trimEnd(),
    )
    .join("\n")}\n`;
}

async function showModel(name: string, { config, out, json }: Context): Promise<number> {
  const { createHubDeps, openModel } = await import("../hub/open.ts");
  const opened = await openModel(
    name,
    createHubDeps(config.hub, { cacheDir: config.cacheDir, now: () => new Date().toISOString() }),
  );
  out.write(json ? `${JSON.stringify(openedObject(opened), null, 2)}\n` : renderOpened(opened));
  return opened.spec.status === "ok" ? EXIT.done : EXIT.unknown;
}

function openedObject(opened: OpenedModel): object {
  const { spec } = opened;
  return {
    schema: "hwledger.model/1",
    id: opened.id,
    source: opened.source,
    revision: opened.revision,
    fetched_at: opened.fetchedAt,
    status: spec.status,
    ...(spec.status === "ok"
      ? {
          family: spec.spec.family,
          architecture: spec.spec.architecture,
          layers: spec.spec.layers.length,
          context_trained: spec.spec.contextTrained,
          parameters: countParameters(spec.spec),
        }
      : { architecture: spec.architecture, reason: spec.reason, missing: spec.missing }),
    download_bytes: opened.downloadBytes,
    chosen: opened.chosen?.name ?? null,
    files: opened.files.map((file) => ({
      name: file.name,
      format: file.format,
      role: file.role,
      paths: file.paths,
      bytes: file.bytes,
      bits_per_weight: file.bitsPerWeight,
      missing_parts: file.missingParts,
    })),
    warnings: opened.warnings,
  };
}

export function renderOpened(opened: OpenedModel): string {
  const { spec } = opened;
  const facts: [string, string][] = [
    ["from", [opened.source, opened.revision].filter((part) => part !== null).join(" ")],
  ];
  if (spec.status === "ok") {
    const { total, active } = countParameters(spec.spec);
    facts.push(
      ["family", `${spec.spec.family} (${spec.spec.architecture})`],
      [
        "parameters",
        active === total ? formatParameters(total) : `${formatParameters(total)}, ${formatParameters(active)} a token`,
      ],
      ["layers", String(spec.spec.layers.length)],
      [
        "context",
        spec.spec.contextTrained === null ? "not known" : `${formatInteger(spec.spec.contextTrained)} tokens trained`,
      ],
    );
  } else
    facts.push([
      "not known",
      `${spec.reason}${spec.missing.length === 0 ? "" : `; missing: ${spec.missing.join(", ")}`}`,
    ]);
  if (opened.chosen !== null) facts.push(["taken", opened.chosen.name]);
  const width = Math.max(...opened.files.map((file) => file.name.length), 0);
  const files = opened.files.map((file) => {
    const bits = file.bitsPerWeight === null ? "" : `  ${file.bitsPerWeight.toFixed(2)} bits a weight`;
    return `  ${file.name.padEnd(width)}  ${formatDownload(file.bytes).padStart(9)}${bits}${file.missingParts > 0 ? `  ${file.missingParts} parts are missing` : ""}`;
  });
  return `${[
    opened.id,
    ...facts.map(([name, value]) => `  ${name.padEnd(10)} ${value}`),
    ...(files.length === 0 ? [] : ["", "Files", ...files]),
    ...opened.warnings.map((warning) => `note: ${warning}`),
  ].join("\n")}\n`;
}
