/**
 * Set-up: makes a bare checkout ready for `npm start` and `npm test`, which run this first.
 *
 *   Node ≥ 20 ─▶ npm packages (npm ci) ─▶ Node ≥ 24, one of them ─▶ nats-server ≥ 2.12
 *
 * Plain JavaScript without dependencies, because it runs before there are any, on the Node that is there.
 * When nothing is to be done it says nothing and takes about a quarter of a second, without the network.
 */
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withLock } from "./lock.mjs";
import { ensureNatsServer, findNatsServer } from "./nats-server.mjs";
import { arePackagesInstalled, installPackages, requireNode } from "./packages.mjs";
import { isAtLeast } from "./version.mjs";

const NODE_FOR_SETUP = "20.0.0";
const PLATFORMS = ["linux", "darwin"];

const interruption = new AbortController();
const host = {
  root: fileURLToPath(new URL("../..", import.meta.url)),
  env: process.env,
  say: (line) => console.error(`set-up: ${line}`),
  signal: interruption.signal,
};

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(name, () => {
    process.exitCode = 128 + constants.signals[name];
    interruption.abort(new Error(`ended by ${name}`));
  });
}

try {
  requirePlatform();
  if (!isComplete()) await withLock(host, join(host.root, ".parl", "setup.lock"), complete);
  requireNode(host);
} catch (error) {
  const reason = interruption.signal.aborted ? interruption.signal.reason : error;
  if (reason.output) console.error(reason.output);
  host.say(reason.message);
  process.exitCode ||= 1;
}

function requirePlatform() {
  if (!PLATFORMS.includes(process.platform)) {
    throw new Error(`PARL runs on Linux and macOS, not on ${process.platform}: on Windows use WSL`);
  }
  if (!isAtLeast(process.versions.node, NODE_FOR_SETUP)) {
    throw new Error(
      `Node ${NODE_FOR_SETUP} or newer is needed, this is ${process.versions.node}: update it from nodejs.org`,
    );
  }
}

function isComplete() {
  return arePackagesInstalled(host) && findNatsServer(host).server !== undefined;
}

/** Looks again at each piece: the set-up that held the lock before may have brought it. */
async function complete() {
  if (!arePackagesInstalled(host)) await installPackages(host);
  requireNode(host);
  const { path, version } = await ensureNatsServer(host);
  host.say(`ready, with nats-server ${version} at ${path}`);
}
