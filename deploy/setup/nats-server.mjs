/**
 * Sees to it that a nats-server is here: finds one, else obtains one.
 *
 *   search ──▶ go install ──▶ Debian package ──▶ Homebrew ──▶ one error that names every way
 *   (locate.mjs)   └───────────────┴───────────────┘
 *                                  ▼
 *            .parl/staging-…  ──verify, rename──▶  .parl/bin/nats-server
 *
 * A binary is obtained in a staging folder and enters the cache by one rename after it has told its version:
 * a half-made one is never seen. What was chosen is noted in .parl/nats-server.json.
 */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import {
  NATS_SERVER_MINIMUM,
  cachedServerPath,
  examine,
  searchNatsServer,
  serverRecordPath,
} from "./locate.mjs";
import { debianPackage } from "./ways/debian-package.mjs";
import { goInstall } from "./ways/go-install.mjs";
import { homebrew } from "./ways/homebrew.mjs";

const WAYS = [goInstall, debianPackage, homebrew];

/** Searches without the network and notes what it found: `{ server?, rejected }`. */
export function findNatsServer(host) {
  const search = searchNatsServer(host);
  if (search.server && search.server.source !== "PARL_NATS_SERVER") remember(host.root, search.server);
  return search;
}

/** Answers `{ path, version, source }`. Call it with the set-up's lock held, because it may have to obtain one. */
export async function ensureNatsServer(host) {
  const { server: found, rejected } = findNatsServer(host);
  for (const reason of rejected) host.say(`skipped: ${reason}`);
  if (found) return found;

  removeLeftovers(host.root);
  const failures = [["PATH", rejected.join("; ") || "no nats-server on it"]];
  for (const way of WAYS) {
    const { server, reason } = await tryWay(host, way);
    if (server) return server;
    failures.push([way.name, reason]);
  }
  throw new Error(explainFailure(failures));
}

/** The server that the way led to, or the reason why there is none. */
async function tryWay(host, way) {
  const obstacle = way.obstacle(host);
  if (obstacle) return { reason: obstacle };
  const startedMs = Date.now();
  host.say(`obtaining nats-server: ${way.name}`);
  try {
    const server = await stage(host, way);
    host.say(`nats-server ${server.version} is here after ${Math.round((Date.now() - startedMs) / 1000)} s`);
    return { server };
  } catch (error) {
    host.signal.throwIfAborted();
    const reason = [error.message, lastWords(error)].filter(Boolean).join(": ");
    host.say(`  ${reason}`);
    return { reason };
  }
}

/** Two lines, because apt follows the line that matters by a general one. */
function lastWords({ output = "" }) {
  return output.split("\n").slice(-2).join("; ");
}

/** A half-made server never gets beyond its staging folder. */
async function stage(host, way) {
  const staging = mkdtempSync(join(host.root, ".parl", "staging-"));
  try {
    const staged = await way.obtain(host, staging);
    const { version, problem } = examine(staged);
    if (problem) throw new Error(problem);
    const server = { path: cachedServerPath(host.root), version, source: way.name };
    mkdirSync(dirname(server.path), { recursive: true });
    renameSync(staged, server.path);
    remember(host.root, server);
    return server;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** A set-up that was killed could not clean up. */
function removeLeftovers(root) {
  mkdirSync(join(root, ".parl"), { recursive: true });
  for (const name of readdirSync(join(root, ".parl"))) {
    if (name.startsWith("staging-")) rmSync(join(root, ".parl", name), { recursive: true, force: true });
  }
}

function remember(root, server) {
  const path = serverRecordPath(root);
  const text = `${JSON.stringify(server)}\n`;
  if (readIfThere(path) === text) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
}

function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function explainFailure(failures) {
  const width = Math.max(...failures.map(([name]) => name.length));
  return [
    `PARL needs nats-server ${NATS_SERVER_MINIMUM} or newer and could not get one:`,
    ...failures.map(([name, reason]) => `  ${name.padEnd(width)}  ${reason}`),
    "Any one of these helps: put a newer nats-server on PATH, set PARL_NATS_SERVER to its path, install Go or",
    "Homebrew, use Debian's apt; or, if one of them is there, see to its network access and run this again.",
  ].join("\n");
}
