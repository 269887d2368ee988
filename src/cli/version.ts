/** `hwledger version`. */
import { EXIT, type RunCommand } from "./command.ts";
import { VERSION } from "./program-version.ts";

export const runVersion: RunCommand = async (_invocation, { out, json }) => {
  out.write(json ? `${JSON.stringify({ schema: "hwledger.version/1", version: VERSION })}\n` : `hwledger ${VERSION}\n`);
  return EXIT.done;
};
