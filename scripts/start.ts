/** What `npm start` runs: builds what pages load, then serves, in one process, so that a signal reaches it. */
import { main } from "../src/cli/main.ts";
import { buildAssets } from "./assets.ts";

await buildAssets();
process.exit(await main(["serve", ...process.argv.slice(2)]));
