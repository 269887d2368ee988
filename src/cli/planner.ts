/** Requests → answers. What is costly is kept: opened models and described machines, the latest few of each. */
import type { Config } from "../config.ts";
import { AppError } from "../errors.ts";
import { machinesBySize } from "../hardware/by-size.ts";
import { machineFromText } from "../hardware/machine-from-text.ts";
import { detectMachine } from "../hardware/probe.ts";
import { type ModelRef, parseModelRef } from "../hub/model-ref.ts";
import type { OpenedModel } from "../hub/opened-model.ts";
import { publishedWeights } from "../math/arch/published.ts";
import { NO_EXTRAS, type PlanExtras } from "../math/extras.ts";
import type { Machine } from "../math/machine.ts";
import { tableOf } from "../math/parts/formats/checkpoint-table.ts";
import { readCheckpointFormat } from "../math/parts/formats/from-config.ts";
import { plan } from "../math/plan.ts";
import type { PlanInput, PlanSubject } from "../math/plan-input.ts";
import type { PlanResult } from "../math/result.ts";
import { RUNTIMES } from "../math/runtime/index.ts";
import { firstThatRuns } from "../math/solve/smallest-machine.ts";
import type { PlanRequest } from "../request.ts";
import { createLru } from "./lru.ts";
import { openExtras } from "./open-extras.ts";

const MOST_MODELS = 32;
const MOST_MACHINES = 256;

export interface Planner {
  /** The answer, at once when model and machine were met before. @throws {AppError} also as a rejection */
  readonly plan: (request: PlanRequest, summary: boolean) => PlanResult | Promise<PlanResult>;
  /** What plan() plans from, for asking the engine too. @throws {AppError} */
  readonly input: (
    request: PlanRequest,
    summary: boolean,
    /** For every engine, not for the request's alone: the table of tensors is read whichever that is. */
    everyEngine?: boolean,
  ) => Promise<{ readonly input: PlanInput; readonly opened: OpenedModel }>;
}

interface Sources {
  readonly openModel: (name: string) => Promise<OpenedModel>;
  readonly detectMachine: () => Promise<Machine>;
}

/** A model or machine that could not be had is kept as well: a million lines that name it ask once. */
type Kept<T> = { readonly value: T } | { readonly error: unknown };

interface KeptModel {
  readonly opened: OpenedModel;
  /** For engines that do not load safetensors. */
  readonly subject: PlanSubject;
  /** With what the safetensors hold, once an engine that loads them has asked. */
  whole: PlanSubject | null;
}

export function createPlanner(sources: Sources): Planner {
  const models = createLru<Kept<KeptModel>>(MOST_MODELS);
  const machines = createLru<Kept<Machine>>(MOST_MACHINES);
  const extras = createLru<PlanExtras>(MOST_MODELS);

  async function loadModel(name: string): Promise<Kept<KeptModel>> {
    const kept = models.get(name) ?? (await keep(async () => openSubject(await sources.openModel(name))));
    models.set(name, kept);
    return kept;
  }

  async function loadMachine(device: string): Promise<Kept<Machine>> {
    const kept =
      machines.get(device) ??
      (await keep(isAuto(device) ? sources.detectMachine : async () => machineFromText(device)));
    machines.set(device, kept);
    return kept;
  }

  async function load(request: PlanRequest): Promise<{ readonly machine: Machine; readonly model: KeptModel }> {
    if (isSmallest(request.device)) return await loadSmallest(request);
    // The machine first: a mistyped device should not wait for a download. Finding this one cannot fail, and takes a while.
    const model = isAuto(request.device) ? loadModel(request.model) : null;
    const machine = value(await loadMachine(request.device));
    return { machine, model: value(await (model ?? loadModel(request.model))) };
  }

  /** Kept by their names together: what is computed for them is kept by the object. */
  async function extrasFor(request: PlanRequest): Promise<PlanExtras> {
    if (!asksExtras(request)) return NO_EXTRAS;
    const key = JSON.stringify(request.extras);
    const kept =
      extras.get(key) ?? (await openExtras(request.extras, async (name) => value(await loadModel(name)).opened));
    extras.set(key, kept);
    return kept;
  }

  /** The smallest device of the table that runs what is asked for. */
  async function loadSmallest(request: PlanRequest): Promise<{ readonly machine: Machine; readonly model: KeptModel }> {
    const model = value(await loadModel(request.model));
    const subject = await subjectFor(model, readsSafetensors(request));
    const machines = machinesBySize();
    const [any] = machines;
    const extras = await extrasFor(request);
    const machine = any === undefined ? null : firstThatRuns(inputOf(request, subject, any, true, extras), machines);
    if (machine !== null || subject.spec.status === "unknown")
      return { machine: machine ?? machineFromText("24GiB"), model };
    throw new AppError("not_found", `Cannot run "${request.model}" so on any one device of the table`, {
      hint: "ask for fewer tokens or smaller weights, or name several devices, as --device '2x a100-sxm4-80gb'",
    });
  }

  async function planAfterLoading(request: PlanRequest, summary: boolean): Promise<PlanResult> {
    const { machine, model } = await load(request);
    const subject = await subjectFor(model, readsSafetensors(request));
    return plan(inputOf(request, subject, machine, summary, await extrasFor(request)));
  }

  return {
    plan(request, summary) {
      const machine = machines.get(request.device);
      const model = models.get(request.model);
      if (machine === undefined || model === undefined || asksExtras(request))
        return planAfterLoading(request, summary);
      const known = value(model);
      const subject = readsSafetensors(request) ? known.whole : known.subject;
      if (subject === null) return planAfterLoading(request, summary);
      return plan(inputOf(request, subject, value(machine), summary));
    },
    async input(request, summary, everyEngine = false) {
      const { machine, model } = await load(request);
      const subject = await subjectFor(model, everyEngine || readsSafetensors(request));
      const extras = await extrasFor(request);
      return { input: inputOf(request, subject, machine, summary, extras), opened: model.opened };
    },
  };
}

/** The planner of a command line: models from the hub and the disk, the machine it runs on. */
export function createCommandPlanner(config: Config): Planner {
  let hub: Promise<(name: string) => Promise<OpenedModel>> | null = null;
  return createPlanner({
    openModel: async (name) => {
      const ref = parseModelRef(name);
      if (ref.kind !== "hub") return await openOnDisk(ref);
      hub ??= connectHub(config);
      return await (await hub)(name);
    },
    detectMachine: async () => (await detectMachine(config)).machine,
  });
}

/** Without the hub's client and cache: a plan of a local file starts sooner. */
async function openOnDisk(ref: Exclude<ModelRef, { kind: "hub" }>): Promise<OpenedModel> {
  const { openFile, openFolder } = await import("../hub/open-local.ts");
  return ref.kind === "file" ? await openFile(ref.path) : await openFolder(ref.path);
}

async function connectHub(config: Config): Promise<(name: string) => Promise<OpenedModel>> {
  const { createHubDeps, openModel } = await import("../hub/open.ts");
  const deps = createHubDeps(config.hub, { cacheDir: config.cacheDir, now: () => new Date().toISOString() });
  return (name) => openModel(name, deps);
}

/** This machine, whatever it is. */
export function isAuto(device: string): boolean {
  return device.trim().toLowerCase() === "auto";
}

/** Not a device: the smallest one of the table that does. */
function isSmallest(device: string): boolean {
  return device.trim().toLowerCase() === "smallest";
}

function asksExtras({ extras }: PlanRequest): boolean {
  return extras.draft !== null || extras.projector !== null || extras.adapters.length > 0;
}

async function keep<T>(load: () => Promise<T>): Promise<Kept<T>> {
  try {
    return { value: await load() };
  } catch (error) {
    return { error };
  }
}

function value<T>(kept: Kept<T>): T {
  if ("error" in kept) throw kept.error;
  return kept.value;
}

function readsSafetensors({ engine }: PlanRequest): boolean {
  return RUNTIMES[engine].readsSafetensors === true;
}

async function subjectFor(model: KeptModel, whole: boolean): Promise<PlanSubject> {
  if (!whole) return model.subject;
  model.whole ??= await withCheckpoint(model);
  return model.whole;
}

/** A table that cannot be read leaves the weights computed from config.json, and the answer says so. */
async function withCheckpoint({ opened, subject }: KeptModel): Promise<PlanSubject> {
  const { config, spec, readTensors, safetensors } = opened;
  if (config === null || spec.status !== "ok") return subject;
  const checkpoint = {
    format: readCheckpointFormat(config, spec.spec),
    table: null,
    totalBytes: safetensors?.totalBytes ?? null,
  };
  if (readTensors === null) return { ...subject, checkpoint };
  try {
    const table = tableOf(await readTensors(), spec.spec);
    if (table !== null) return { ...subject, checkpoint: { ...checkpoint, table } };
    const note =
      "The files' tensors are not those that config.json describes: the weights are computed from config.json.";
    return { ...subject, checkpoint, warnings: [...subject.warnings, note] };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const note = `${error.message}: the weights are computed from config.json.`;
    return { ...subject, checkpoint, warnings: [...subject.warnings, note] };
  }
}

function openSubject(opened: OpenedModel): KeptModel {
  const { chosen, files } = opened;
  const published = opened.gguf === null && opened.config !== null ? publishedWeights(opened.config) : null;
  return {
    opened,
    whole: null,
    subject: {
      id: opened.id,
      source: opened.source,
      revision: opened.revision,
      file: chosen?.format === "gguf" ? (chosen.paths[0] ?? null) : null,
      downloadBytes: opened.downloadBytes,
      fileBytes: chosen?.bytes ?? null,
      spec: opened.spec,
      published: published?.preset ?? null,
      publishedWarning: published?.warning ?? null,
      choices: files
        .filter((file) => file.format === "gguf" && file.role === "model" && file.missingParts === 0)
        .map(({ name, bytes }) => ({ name, bytes })),
      warnings: opened.warnings,
    },
  };
}

function inputOf(
  request: PlanRequest,
  subject: PlanSubject,
  machine: Machine,
  summary: boolean,
  extras: PlanExtras = NO_EXTRAS,
): PlanInput {
  return {
    subject,
    weights: request.weights,
    engine: request.engine,
    engineVersion: request.engineVersion,
    device: request.device,
    options: request.options,
    machine,
    extras,
    summary,
  };
}
