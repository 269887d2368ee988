/** What the layer picture shows. What stays equal while a slider moves is in SkyShape, what changes is in SkyBytes. */
import type { FeedForward, MixerKind } from "../../math/model.ts";

export interface SkyShape {
  readonly mixers: readonly (readonly MixerKind[])[];
  readonly feedForward: readonly FeedForward["kind"][];
  /** 1 where the layer's KV grows with the context up to its end. */
  readonly grows: Uint8Array;
  /** 1 where what the layer keeps beside its weights is not known. */
  readonly unknown: Uint8Array;
  /** Runs of layers on one device, in order. */
  readonly devices: readonly DeviceRun[];
  readonly embedding: SkyEnd | null;
  readonly head: SkyEnd | null;
}

export interface DeviceRun {
  readonly name: string;
  readonly from: number;
  /** One past the last layer. */
  readonly to: number;
}

export interface SkyEnd {
  readonly bytes: number;
  /** In system memory: drawn hollow. */
  readonly hollow: boolean;
}

export interface SkyBytes {
  readonly weights: Float64Array;
  readonly kv: Float64Array;
  readonly state: Float64Array;
  /** KV at the longest context that fits; null when that is not known. */
  readonly limitKv: Float64Array | null;
  readonly note: string | null;
  readonly selected: number | null;
}
