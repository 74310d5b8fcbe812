/**
 * Children that end when we do, however that comes about: also by `kill -9`, when we end nobody any more.
 *
 *      we ────────────────── spawn ──────────────────▶ program   (its own pid, signals and exit code)
 *       └── lifeline, a pipe ──▶ watcher (sh, reads) ─────▲
 *                                         SIGTERM when the pipe closes, SIGKILL 15 s later
 *
 * The system closes the pipe when the last process that holds our end of it has gone, and that wakes the watcher.
 * A shell starts both: it leaves the watcher behind and then becomes the program. So this works for programs
 * that know nothing of it, like nats-server, and wherever there is a `/bin/sh`; Linux's own PR_SET_PDEATHSIG is
 * out of Node's reach.
 *
 * A child may hold the lifeline of another that serves it: then the server goes when we and the child have gone.
 */
import { spawn, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";

/** Longer than an actor's own patience with whoever is to take its shards. */
const LEAVE_WITHIN_S_DEFAULT = 15;

/** `$$` is the shell itself, and so the program. A line says that it has ended: its pid may be another's by now. */
const watching = (leaveWithinS: number): string => `{
  read -r _ <&3 && exit
  kill -TERM $$
  n=0; while [ $n -lt ${leaveWithinS} ]; do sleep 1; kill -0 $$ || exit; n=$((n + 1)); done
  kill -KILL $$
} >/dev/null 2>&1 4<&- &
exec "$@" 3<&-`;

export interface LifelineOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** A process group of its own, so that a Ctrl-C at the terminal does not reach it. */
  readonly detached?: boolean;
  /** A child of ours, started here, that shall be there until this one has gone. */
  readonly servedBy?: ChildProcess | undefined;
  /** Between SIGTERM and SIGKILL, when we have gone. */
  readonly leaveWithinS?: number;
}

/** Spawns a program that gets no input. A program that is not there ends with exit code 127. */
export function spawnOnLifeline(
  path: string,
  args: readonly string[],
  options: LifelineOptions = {},
): ChildProcess {
  const { env = process.env, detached = false, servedBy, leaveWithinS = LEAVE_WITHIN_S_DEFAULT } = options;
  const held = servedBy === undefined ? undefined : lifelineOf(servedBy);
  const child = spawn("/bin/sh", ["-c", watching(leaveWithinS), "sh", path, ...args], {
    stdio: ["ignore", "pipe", "pipe", "pipe", ...(held === undefined || held.destroyed ? [] : [held])],
    env,
    detached,
  });
  const lifeline = lifelineOf(child);
  lifeline.unref();
  // Somebody may have killed the watcher.
  lifeline.on("error", () => undefined);
  child.once("exit", () => lifeline.end("\n", () => lifeline.destroy()));
  return child;
}

function lifelineOf({ stdio }: ChildProcess): Socket {
  return stdio[3] as Socket;
}
