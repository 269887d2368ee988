/** Several machines in one text, for a comparison. */
import { AppError } from "./errors.ts";

/** More than a screen holds, and no more than a moment's work. */
const MOST_DEVICES = 16;

/** "rtx-4090,2x rtx-3090": machines apart. @throws {AppError} none, or too many */
export function devicesOf(text: string): readonly string[] {
  const devices = text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (devices.length === 0 || devices.length > MOST_DEVICES) {
    throw new AppError("usage", `Cannot compare ${devices.length} devices: 1 to ${MOST_DEVICES} are wanted`, {
      hint: "name them with commas between, as rtx-4090,24GiB",
    });
  }
  return [...new Set(devices)];
}
