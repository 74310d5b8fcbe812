/**
 * Where a server's program is, found without touching the network.
 *
 * The first one that runs and is new enough wins:
 *
 *   PARL_NATS_SERVER ─▶ .parl/nats-server.json ─▶ .parl/bin/nats-server ─▶ PATH
 *   (that or an error)  (what set-up chose)       (what set-up obtained)
 *
 * Every candidate is asked for its version (about 15 ms), because a program can be replaced behind a record.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { findCommands } from "./command.mjs";
import { natsCli, natsServer, redisServer } from "./servers.mjs";
import { findVersion, isAtLeast } from "./version.mjs";

const PROBE_LIMIT_MS = 10_000;

export const cachedServerPath = (root, { name }) => join(root, ".parl", "bin", name);
export const serverRecordPath = (root, { name }) => join(root, ".parl", `${name}.json`);

/** The nats-server to start: `{ path, version, source }`, or an error that names the way out. */
export function locateNatsServer(place) {
  return locate(natsServer, place, "node deploy/setup/setup.mjs");
}

/** The Redis (or Valkey) to start, likewise. */
export function locateRedisServer(place) {
  return locate(redisServer, place, "node deploy/setup/setup.mjs --with redis");
}

/** The NATS project's command, likewise. */
export function locateNatsCli(place) {
  return locate(natsCli, place, "npm run setup:nats-cli");
}

function locate(server, place, setup) {
  const { found, rejected } = searchServer(server, place);
  if (found) return found;
  const seen = rejected.length > 0 ? ` (${rejected.join("; ")})` : "";
  throw new Error(
    `${server.name} ${server.minimum} or newer was not found${seen}: ` +
      `run "${setup}", or set ${server.variable} to the path of one`,
  );
}

/** Like locate, but finding none is an answer: `{ found?, rejected }`, one reason per rejected program. */
export function searchServer(server, { root, env }) {
  const explicit = env[server.variable];
  if (explicit) {
    const path = resolve(explicit);
    const { version, problem } = examine(server, path);
    if (problem) throw new Error(`${server.variable}: ${path} ${problem}; name a newer one, or unset it`);
    return { found: { path, version, source: server.variable }, rejected: [] };
  }
  const rejected = [];
  for (const [path, source] of candidates(server, root, env)) {
    const { version, problem } = examine(server, path);
    if (!problem) return { found: { path, version, source }, rejected };
    rejected.push(`${path} ${problem}`);
  }
  return { rejected };
}

/** Says what a program is: `{ version }` when it runs, is this server and new enough, else `{ problem }`. */
export function examine(server, path) {
  let answer;
  try {
    answer = execFileSync(path, [server.probe], { encoding: "utf8", timeout: PROBE_LIMIT_MS, stdio: "pipe" });
  } catch (error) {
    return { problem: `does not run (${error.code ?? `exit ${error.status}`})` };
  }
  const version = server.banner.test(answer) ? findVersion(answer) : undefined;
  if (!version) return { problem: `does not tell its version as ${server.name} does` };
  if (isAtLeast(version, server.minimum)) return { version };
  return { problem: `is ${version}, older than ${server.minimum}` };
}

/** Pairs of path and source, in order of preference; a path that appears twice keeps its first place. */
function candidates(server, root, env) {
  const record = readRecord(root, server);
  const cached = cachedServerPath(root, server);
  const names = [server.name, ...server.alternatives];
  const all = names.flatMap((name) => findCommands(name, env)).map((path) => [path, "PATH"]);
  if (existsSync(cached)) all.unshift([cached, ".parl/bin"]);
  if (typeof record?.path === "string") all.unshift([record.path, record.source]);
  return all.filter(([path], place) => all.findIndex(([other]) => other === path) === place);
}

function readRecord(root, server) {
  try {
    return JSON.parse(readFileSync(serverRecordPath(root, server), "utf8"));
  } catch {
    return undefined; // No record, or a damaged one: the search goes on without it.
  }
}
