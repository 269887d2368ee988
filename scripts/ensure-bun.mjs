/**
 * Makes a fresh clone runnable: installs the packages when they are missing, and mends a `bun` whose postinstall script
 * was not run (npm 12, --ignore-scripts). Runs before every npm script, in Node 20+ or in Bun itself, without packages.
 *   node scripts/ensure-bun.mjs        what `start` needs (--omit=dev)
 *   node scripts/ensure-bun.mjs --dev  what the tests need, too
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const wantsDev = process.argv.includes("--dev");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const inBun = process.versions.bun !== undefined;
const calledByBun = inBun || (process.env.npm_config_user_agent ?? "").startsWith("bun/");

function fail(sentence, hint) {
  process.stderr.write(`${sentence}\nhint: ${hint}\n`);
  process.exit(1);
}

/** @returns whether the package is installed in the version that package.json names */
function isInstalled([name, version]) {
  const path = join(root, "node_modules", name, "package.json");
  return existsSync(path) && JSON.parse(readFileSync(path, "utf8")).version === version;
}

function run(command, args) {
  const shell = process.platform === "win32" && command === "npm"; // npm is a .cmd there
  return spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], shell }).status === 0;
}

function install() {
  const said = wantsDev ? "what the tests need" : "what hwLedger needs to run";
  process.stderr.write(`Installing ${said} (once) ...\n`);
  const omit = wantsDev ? [] : ["--omit=dev"];
  if (calledByBun) {
    const bun = inBun ? process.execPath : "bun";
    return run(bun, ["install", "--frozen-lockfile", ...omit]);
  }
  // Under npm the running script's own npm is the right one; a bare `npm` in PATH otherwise.
  const npm = process.env.npm_execpath;
  const args = ["ci", ...omit, "--no-fund", "--no-audit"];
  return npm?.endsWith(".js") ? run(process.execPath, [npm, ...args]) : run("npm", args);
}

function bunAnswers() {
  const path = join(root, "node_modules", "bun", "bin", "bun.exe"); // its name on every system
  const answer = spawnSync(path, ["--version"], { encoding: "utf8" });
  return answer.status === 0 && answer.stdout.trim() === manifest.dependencies.bun;
}

const [major] = process.versions.node.split(".").map(Number);
if (!inBun && major < 20) {
  fail(`Cannot start hwLedger with Node ${process.versions.node}: it needs 20 or newer.`, "install Node 20+, or Bun");
}

const needed = Object.entries({ ...manifest.dependencies, ...(wantsDev ? manifest.devDependencies : {}) });
if (!needed.every(isInstalled) && !install()) {
  fail(
    "Cannot install the packages hwLedger needs: the installer failed, its words are above.",
    "check the network or proxy, delete node_modules and try again",
  );
}

if (!bunAnswers()) {
  run(process.execPath, [join(root, "node_modules", "bun", "install.js")]);
  if (!bunAnswers()) {
    fail(
      "Cannot start Bun from node_modules: its program for this system is missing or does not run.",
      "delete node_modules and try again with optional packages allowed (npm config get omit), or install Bun and run `bun start`",
    );
  }
}
