/** A plan's verdict in a few words, from its answer alone. */
import { formatBytes } from "./format.ts";
import type { PlanResult } from "./result.ts";

/** "12.8 GiB to spare on CUDA0", "short by 5.7 GiB on CUDA0"; of several devices the fullest. Else why there is no plan. */
export function fitWords(result: PlanResult): string {
  if (result.error !== undefined) return result.error.message;
  if (result.reason !== undefined) return result.reason;
  const used = result.memory.by_device.filter((device) => device.free_bytes !== null && device.total_bytes > 0);
  const [fullest] = used.toSorted((a, b) => (a.free_bytes ?? 0) - (b.free_bytes ?? 0));
  if (fullest === undefined) return "the size of the memory is not known";
  const left = fullest.free_bytes ?? 0;
  return left < 0
    ? `short by ${formatBytes(-left)} on ${fullest.device}`
    : `${formatBytes(left)} to spare on ${fullest.device}`;
}
