/** The program's version: package.json's, also inside the one-file program. */
import manifest from "../../package.json" with { type: "json" };

export const VERSION: string = manifest.version;
