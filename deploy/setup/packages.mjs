/**
 * The npm packages, and with them Node 24.
 *
 * node_modules is right when npm's own record of what it installed (`node_modules/.package-lock.json`) agrees
 * with package-lock.json. Optional packages of other platforms are not in the record and may be missing.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { findCommands, run } from "./command.mjs";
import { findVersion, isAtLeast } from "./version.mjs";

/** The release line that PARL is written for: it runs TypeScript sources as they are. */
const NODE_MINIMUM = "24.0.0";

const INSTALL_LIMIT_MS = 15 * 60_000;

/** Whether every package that package-lock.json wants here is installed, in that version. */
export function arePackagesInstalled({ root }) {
  const wanted = readPackages(join(root, "package-lock.json"));
  const installed = readPackages(join(root, "node_modules", ".package-lock.json"));
  if (!wanted) throw new Error(`${join(root, "package-lock.json")} is missing or damaged: restore it`);
  if (!installed) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === "") return true;
    const found = installed[path];
    return found ? found.version === version && found.integrity === integrity : optional === true;
  });
}

/** Flags outrank the npm_config_* variables that a surrounding npm command leaves in the environment. */
export async function installPackages(host) {
  host.say("installing the npm packages (npm ci)");
  const [command, ...npm] = npmCommand(host.env);
  const scope = ["--include=dev", "--include=optional", "--global=false", "--dry-run=false"];
  const manner = ["--engine-strict=false", "--no-audit", "--no-fund", "--loglevel=error"];
  // Three attempts within 15 s instead of npm's 70 s; the lockfile's hashes make the cache as good as the network.
  const network = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=10000", "--prefer-offline"];
  const args = [...npm, "ci", ...scope, ...manner, ...network];
  await run(host, { step: "npm ci", command, args, cwd: host.root, limitMs: INSTALL_LIMIT_MS });
}

/** Throws unless the `node` that npm scripts will find is new enough. */
export function requireNode({ root, env }) {
  const PATH = [join(root, "node_modules", ".bin"), env.PATH ?? ""].join(delimiter);
  const [node] = findCommands("node", { PATH });
  const version = node ? versionOf(node) : undefined;
  if (version && isAtLeast(version, NODE_MINIMUM)) return;
  const found = version ? `${node} is ${version}` : node ? `${node} does not run here` : "no node is on PATH";
  throw new Error(
    `Node ${NODE_MINIMUM} or newer runs PARL, but ${found}. Ways: on Linux x64 or arm64 with glibc, ` +
      `"npm ci --include=optional" brings it; elsewhere put it on PATH with "nvm install 24", ` +
      `"brew install node@24" or the installer from nodejs.org`,
  );
}

function versionOf(node) {
  try {
    return findVersion(execFileSync(node, ["--version"], { encoding: "utf8", stdio: "pipe" }));
  } catch {
    return undefined;
  }
}

/**
 * The npm that called us, run by the Node it runs on: `node` on PATH may be the one inside node_modules,
 * which `npm ci` deletes.
 */
function npmCommand(env) {
  const { npm_execpath: script, npm_node_execpath: node = process.execPath } = env;
  if (script?.endsWith("npm-cli.js")) return [node, script];
  const [npm] = findCommands("npm", env);
  if (!npm) throw new Error("npm is not on PATH: install it, or run this through npm start");
  return [npm];
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages;
  } catch {
    return undefined;
  }
}
