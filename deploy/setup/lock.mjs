/**
 * One set-up at a time: `npm start` and `npm test` may be started together in a fresh clone.
 *
 * The lock is a folder whose time its holder refreshes; one that was not refreshed for a while belonged to a
 * set-up that was killed. (A process id would say less: in containers the same small numbers come again.)
 * A stale lock is moved aside and looked at again, so that of several waiters one clears it, and a lock just
 * taken is given back.
 */
import { mkdirSync, renameSync, rmSync, rmdirSync, statSync, utimesSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 200;
const REFRESH_MS = 2_000;
// Longer than a holder can be busy without a turn of its event loop: the 10 s of one probe, and reserve.
const STALE_MS = 30_000;

/** Does the work with the lock at that path held. */
export async function withLock(host, path, work) {
  await acquire(host, path);
  const refresh = setInterval(
    () => tolerate("ENOENT", () => utimesSync(path, new Date(), new Date())),
    REFRESH_MS,
  );
  try {
    return await work();
  } finally {
    clearInterval(refresh);
    rmSync(path, { recursive: true, force: true });
  }
}

async function acquire(host, path) {
  mkdirSync(dirname(path), { recursive: true });
  for (let isFirst = true; !take(path); isFirst = false) {
    if (isFirst) host.say("another set-up is at work here: waiting for it");
    if (isStale(path)) clear(path);
    else await sleep(POLL_MS, undefined, { signal: host.signal });
  }
}

function take(path) {
  return tolerate("EEXIST", () => {
    mkdirSync(path);
    return true;
  });
}

function isStale(path) {
  return tolerate("ENOENT", () => Date.now() - statSync(path).mtimeMs > STALE_MS);
}

function clear(path) {
  const aside = `${path}.${process.pid}`;
  tolerate("ENOENT", () => {
    renameSync(path, aside);
    if (isStale(aside)) rmdirSync(aside);
    else renameSync(aside, path);
  });
}

/** The action's result, or undefined when it fails with the one expected code. */
function tolerate(code, action) {
  try {
    return action();
  } catch (error) {
    if (error.code === code) return undefined;
    throw error;
  }
}
