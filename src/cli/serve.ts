/** `hwledger serve`, and `hwledger` alone: loads the server, which nothing else does. */
import { AppError } from "../errors.ts";
import type { RunCommand } from "./command.ts";

export const runServe: RunCommand = async ({ values }, { config }) => {
  const { serve } = await import("../server.ts");
  return await serve({
    config,
    port: portOf(values.get("port") ?? null),
    host: values.get("host") ?? null,
    open: values.get("open") !== "false",
  });
};

/** @throws {AppError} usage */
export function portOf(text: string | null): number | null {
  if (text === null) return null;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65535) return port;
  throw new AppError("usage", `Cannot use --port "${text}": a number from 0 to 65535 is wanted`, {
    hint: "0 takes any free port",
  });
}
