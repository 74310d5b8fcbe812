/**
 * Set-up: makes a bare checkout ready for `npm start` and `npm test`, which run this first.
 *
 *   Node ≥ 20 ─▶ npm packages (npm ci) ─▶ Node ≥ 24, one of them ─▶ nats-server ≥ 2.12 ─▶ Redis ≥ 7
 *                                                                                  (--with redis: tests, lab)
 *                                                             nats, the command (--with nats-cli: who wants it)
 *
 * Plain JavaScript without dependencies, because it runs before there are any, on the Node that is there.
 * When nothing is to be done it says nothing and takes about a quarter of a second, without the network.
 */
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withLock } from "./lock.mjs";
import { ensureServer, findServer } from "./obtain.mjs";
import { arePackagesInstalled, installPackages, requireNode } from "./packages.mjs";
import { natsCli, natsServer, redisServer } from "./servers.mjs";
import { isAtLeast } from "./version.mjs";

const NODE_FOR_SETUP = "20.0.0";
const PLATFORMS = ["linux", "darwin"];
/** What not everybody needs: `npm start` neither waits for these nor fails without them. */
const EXTRAS = { redis: redisServer, "nats-cli": natsCli };

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
  const servers = requestedServers(process.argv.slice(2));
  if (!arePackagesInstalled(host)) await alone("packages", completePackages);
  requireNode(host);
  for (const server of servers) {
    if (!findServer(host, server).found) await alone(server.name, () => completeServer(server));
  }
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

function requestedServers(words) {
  if (words.length === 0) return [natsServer];
  const [flag, name, ...more] = words;
  if (flag === "--with" && Object.hasOwn(EXTRAS, name) && more.length === 0)
    return [natsServer, EXTRAS[name]];
  throw new Error(`"${words.join(" ")}" is unknown: say nothing, "--with redis" or "--with nats-cli"`);
}

/** One lock for each piece, so that who needs only one does not wait for another. */
function alone(piece, work) {
  return withLock(host, join(host.root, ".parl", `${piece}.lock`), work);
}

/** Like completeServer it looks again: the set-up that held the lock before may have brought them. */
async function completePackages() {
  if (!arePackagesInstalled(host)) await installPackages(host);
}

async function completeServer(server) {
  const { path, version } = await ensureServer(host, server);
  host.say(`ready, with ${server.name} ${version} at ${path}`);
}
