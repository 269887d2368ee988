/** What the Plan page needs of the rest of the program. server.ts hands it in; tests hand in what they like. */
import type { Machine } from "../../math/machine.ts";
import type { PlanInput } from "../../math/plan-input.ts";
import type { PlanResult } from "../../math/result.ts";
import type { PlanRequest } from "../../request.ts";
import type { DiskModel, HubHit } from "./search-view.ts";

export interface OpenedPlan {
  readonly input: PlanInput;
  /** ISO 8601: when the hub last said that this is the newest; null for what is on disk. */
  readonly fetchedAt: string | null;
}

export interface PlanDeps {
  /** @throws {AppError} a device that is not known */
  readonly machine: (device: string) => Promise<Machine>;
  /** Reads the model's header. @throws {AppError} whatever is wrong with it */
  readonly open: (request: PlanRequest) => Promise<OpenedPlan>;
  /** The answer with the engine's own beside it. @throws {AppError} */
  readonly ask: (request: PlanRequest) => Promise<PlanResult>;
  /** @throws {AppError} when the hub cannot be asked */
  readonly search: (text: string) => Promise<readonly HubHit[]>;
  readonly modelsOnDisk: () => Promise<readonly DiskModel[]>;
  readonly deviceNames: () => readonly { readonly id: string; readonly name: string }[];
  readonly now: () => Date;
}
