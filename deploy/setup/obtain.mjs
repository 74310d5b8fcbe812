/**
 * Sees to it that a server is here: finds one, else obtains one by the first of its ways that works.
 *
 *   search ──▶ go install ──▶ Debian package ──▶ apt package ──▶ Homebrew ──▶ one error that names them all
 *   (locate.mjs)   └───────────────┴──────┬──────────┴──────────────┘
 *                                         ▼
 *       .parl/staging-<server>.…  ──verify, rename──▶  .parl/bin/<server> and what it brings along
 *
 * A server is obtained in a staging folder and enters the cache by a rename after it has told its version: a
 * half-made one is never seen. What was chosen is noted in .parl/<server>.json.
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
import { cachedServerPath, examine, searchServer, serverRecordPath } from "./locate.mjs";
import { aptPackage } from "./ways/apt-package.mjs";
import { debianPackage } from "./ways/debian-package.mjs";
import { goInstall } from "./ways/go-install.mjs";
import { homebrew } from "./ways/homebrew.mjs";

/** In the order in which they are tried. Each server's description says which of them lead to it. */
const WAYS = { goInstall, debianPackage, aptPackage, homebrew };

/** Searches without the network and notes what it found: `{ found?, rejected }`. */
export function findServer(host, server) {
  const search = searchServer(server, host);
  if (search.found && search.found.source !== server.variable) remember(host.root, server, search.found);
  return search;
}

/** Answers `{ path, version, source }`. Call it with the server's lock held, because it may have to obtain one. */
export async function ensureServer(host, server) {
  const { found, rejected } = findServer(host, server);
  for (const reason of rejected) host.say(`skipped: ${reason}`);
  if (found) return found;

  removeLeftovers(host.root, server);
  const failures = [["PATH", rejected.join("; ") || `no ${server.name} on it`]];
  const ways = Object.keys(WAYS).filter((key) => server.ways[key]);
  for (const key of ways) {
    const { obtained, reason } = await tryWay(host, server, key);
    if (obtained) return obtained;
    failures.push([WAYS[key].name, reason]);
  }
  throw new Error(explainFailure(server, failures));
}

/** The server that the way led to, or the reason why there is none. */
async function tryWay(host, server, key) {
  const obstacle = WAYS[key].obstacle(host);
  if (obstacle) return { reason: obstacle };
  const startedMs = Date.now();
  host.say(`obtaining ${server.name}: ${WAYS[key].name}`);
  try {
    const obtained = await stage(host, server, key);
    const seconds = Math.round((Date.now() - startedMs) / 1000);
    host.say(`${server.name} ${obtained.version} is here after ${seconds} s`);
    return { obtained };
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

/** The way works in one folder and leaves its result, laid out as .parl is, in another. */
async function stage(host, server, key) {
  const staging = mkdtempSync(join(host.root, ".parl", stagingPrefix(server)));
  const work = join(staging, "work");
  const result = join(staging, "result");
  mkdirSync(work);
  mkdirSync(join(result, "bin"), { recursive: true });
  try {
    await WAYS[key].obtain(host, server, { work, result });
    const { version, problem } = examine(server, join(result, "bin", server.name));
    if (problem) throw new Error(`what it brings ${problem}`);
    const obtained = { path: cachedServerPath(host.root, server), version, source: WAYS[key].name };
    enterCache(host.root, server, result);
    remember(host.root, server, obtained);
    return obtained;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** The program itself enters last, when all that it needs beside it is there. */
function enterCache(root, server, result) {
  const cache = join(root, ".parl");
  for (const folder of readdirSync(result).filter((name) => name !== "bin")) {
    rmSync(join(cache, folder), { recursive: true, force: true });
    renameSync(join(result, folder), join(cache, folder));
  }
  mkdirSync(join(cache, "bin"), { recursive: true });
  for (const program of [...server.companions, server.name]) {
    renameSync(join(result, "bin", program), join(cache, "bin", program));
  }
}

/** No name with a dot: "nats" is not the beginning of what "nats-server" has. */
const stagingPrefix = ({ name }) => `staging-${name}.`;

/** A set-up that was killed could not clean up. Another server's staging may be in use. */
function removeLeftovers(root, server) {
  const cache = join(root, ".parl");
  for (const name of readdirSync(cache)) {
    if (name.startsWith(stagingPrefix(server))) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

function remember(root, server, found) {
  const path = serverRecordPath(root, server);
  const text = `${JSON.stringify(found)}\n`;
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

function explainFailure({ name, minimum, neededBy, alternatives, variable, ways }, failures) {
  const width = Math.max(...failures.map(([way]) => way.length));
  const remedies = Object.keys(WAYS).flatMap((key) => (ways[key] ? [WAYS[key].remedy] : []));
  return [
    `${neededBy} ${name} ${minimum} or newer and could not get one:`,
    ...failures.map(([way, reason]) => `  ${way.padEnd(width)}  ${reason}`),
    `Any one of these helps: put a newer ${[name, ...alternatives].join(" or ")} on PATH, set ${variable} to its path,`,
    `${remedies.join(", ")}; or, if one of them is there, see to its network access and run this again.`,
  ].join("\n");
}
