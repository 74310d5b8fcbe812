/** Child processes of a measurement: started when they work, ended with whoever owns them. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { ParlError } from "../core/errors.ts";
import { spawnOnLifeline } from "../deploy/lifeline.ts";

export interface Program {
  readonly path: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** The line that says it works. */
  readonly ready: RegExp;
}

/**
 * Killed at once when this process ends in an orderly way (command.ts), ended by their lifelines when it is killed.
 * A listener for each would be too many.
 */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a child that ends with `owner`, and waits until it works. */
export async function startChild(owner: AsyncDisposableStack, program: Program): Promise<ChildProcess> {
  const { path, args, env = process.env, ready } = program;
  const child = spawnOnLifeline(path, args, { env });
  running.add(child);
  child.once("close", () => running.delete(child));
  owner.defer(() => end(child));
  const words: string[] = [];
  const isReady = Promise.withResolvers<boolean>();
  for (const input of [child.stdout, child.stderr]) {
    if (input === null) continue;
    createInterface({ input }).on("line", (line) => {
      words.push(line);
      if (ready.test(line)) isReady.resolve(true);
    });
  }
  child.once("error", (error) => words.push(error.message));
  child.once("close", () => isReady.resolve(false));
  if (await isReady.promise) return child;
  throw new ParlError("PARL_UNAVAILABLE", `${path} did not start: ${words.slice(-3).join(" / ")}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
}

export function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer().once("error", reject);
  probe.listen(0, "127.0.0.1", () => {
    const { port } = probe.address() as AddressInfo;
    probe.close(() => resolve(port));
  });
  return promise;
}
