/**
 * Where the nats-server is, found without touching the network.
 *
 * The first one that runs and is new enough wins:
 *
 *   PARL_NATS_SERVER ─▶ .parl/nats-server.json ─▶ .parl/bin/nats-server ─▶ PATH
 *   (that or an error)  (what set-up chose)       (what set-up obtained)
 *
 * Every candidate is asked for its version (about 15 ms), because a binary can be replaced behind a record.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { findCommands } from "./command.mjs";
import { findVersion, isAtLeast } from "./version.mjs";

/** Older servers accept message TTLs and ignore them; 2.9 also lets two writers win one compare-and-set. */
export const NATS_SERVER_MINIMUM = "2.12.0";

const PROBE_LIMIT_MS = 10_000;

export const cachedServerPath = (root) => join(root, ".parl", "bin", "nats-server");
export const serverRecordPath = (root) => join(root, ".parl", "nats-server.json");

/** The nats-server to start: `{ path, version, source }`, or an error that names the way out. */
export function locateNatsServer({ root, env }) {
  const { server, rejected } = searchNatsServer({ root, env });
  if (server) return server;
  const seen = rejected.length > 0 ? ` (${rejected.join("; ")})` : "";
  throw new Error(
    `nats-server ${NATS_SERVER_MINIMUM} or newer was not found${seen}: ` +
      `run "node deploy/setup/setup.mjs", or set PARL_NATS_SERVER to the path of one`,
  );
}

/** Like locateNatsServer, but finding none is an answer: `{ server?, rejected }`, one reason per rejected binary. */
export function searchNatsServer({ root, env }) {
  const explicit = env.PARL_NATS_SERVER;
  if (explicit) {
    const { version, problem } = examine(resolve(explicit));
    if (problem) throw new Error(`PARL_NATS_SERVER: ${problem}; name a newer one, or unset it`);
    return { server: { path: resolve(explicit), version, source: "PARL_NATS_SERVER" }, rejected: [] };
  }
  const rejected = [];
  for (const [path, source] of candidates(root, env)) {
    const { version, problem } = examine(path);
    if (!problem) return { server: { path, version, source }, rejected };
    rejected.push(problem);
  }
  return { rejected };
}

/** Says what a binary is: `{ version }` when it runs and is new enough, else `{ problem }`. */
export function examine(path) {
  let banner;
  try {
    banner = execFileSync(path, ["-v"], { encoding: "utf8", timeout: PROBE_LIMIT_MS, stdio: "pipe" });
  } catch (error) {
    return { problem: `${path} does not run (${error.code ?? `exit ${error.status}`})` };
  }
  const version = findVersion(banner);
  if (!version) return { problem: `${path} does not tell its version` };
  if (isAtLeast(version, NATS_SERVER_MINIMUM)) return { version };
  return { problem: `${path} is ${version}, older than ${NATS_SERVER_MINIMUM}` };
}

/** Pairs of path and source, in order of preference; a path that appears twice keeps its first place. */
function candidates(root, env) {
  const record = readRecord(root);
  const cached = cachedServerPath(root);
  const all = findCommands("nats-server", env).map((path) => [path, "PATH"]);
  if (existsSync(cached)) all.unshift([cached, ".parl/bin"]);
  if (typeof record?.path === "string") all.unshift([record.path, record.source]);
  return all.filter(([path], place) => all.findIndex(([other]) => other === path) === place);
}

function readRecord(root) {
  try {
    return JSON.parse(readFileSync(serverRecordPath(root), "utf8"));
  } catch {
    return undefined; // No record, or a damaged one: the search goes on without it.
  }
}
