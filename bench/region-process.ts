/** A region of one's own for a measurement: nats-server on a free port and actor processes, all children. */
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { actorEnvironment } from "../deploy/actor-environment.ts";
import { locateNatsServer } from "../deploy/setup/locate.mjs";
import { freePort, startChild } from "./child.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export interface RegionProcess extends AsyncDisposable {
  readonly url: string;
  /** Process ids of the server and of the first actor. */
  readonly pids: { readonly server: number; readonly actor: number };
  /** Starts one more actor process under a name of its own; resolves when it takes part. */
  addActor(id: string): Promise<ChildProcess>;
}

export interface RegionOptions {
  /** Beside this file; one policy for every key when absent. */
  readonly policies?: string;
  readonly shards?: number;
}

/** Starts the server and one actor process, `a`. */
export async function startRegion(options: RegionOptions = {}): Promise<RegionProcess> {
  const url = `nats://127.0.0.1:${await freePort()}`;
  await using started = new AsyncDisposableStack();
  const { path } = locateNatsServer({ root: here(".."), env: process.env });
  const port = new URL(url).port;
  const store = await mkdtemp(join(tmpdir(), "parl-bench-"));
  started.defer(() => rm(store, { recursive: true }));
  const args = ["-c", here("../deploy/nats/region.conf"), "-a", "127.0.0.1", "-p", port, "-sd", store];
  const serving = await startChild(started, { path, args, ready: /Server is ready/ });
  const policies = here(options.policies ?? "nats-policy.yaml");
  const actor = [here("../cli/main.ts"), "actor", "--nats", url, "--policies", policies];
  if (options.shards !== undefined) actor.push("--shards", String(options.shards));
  const actors = new AsyncDisposableStack();
  started.use(actors);
  const add = (id: string, ...flags: string[]): Promise<ChildProcess> =>
    startChild(actors, {
      path: process.execPath,
      args: [...actor, "--id", id, ...flags],
      env: { ...process.env, ...actorEnvironment(process.env) },
      ready: / ready: /,
    });
  const deciding = await add("a", "--claim-at-once");
  const running = started.move();
  return {
    url,
    pids: { server: serving.pid as number, actor: deciding.pid as number },
    addActor: (id) => add(id),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
