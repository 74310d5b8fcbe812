/** A region of one's own for a measurement: nats-server on a free port and actor processes, all children. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ParlError } from "../core/errors.ts";
import { actorEnvironment } from "../deploy/actor-environment.ts";
import { locateNatsServer } from "../deploy/setup/locate.mjs";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export interface RegionProcess extends AsyncDisposable {
  readonly url: string;
  /** Process ids of the server and of the first actor. */
  readonly pids: { readonly server: number; readonly actor: number };
  /** Starts one more actor process under a name of its own; resolves when it takes part. */
  addActor(id: string): Promise<ChildProcess>;
}

/** Starts the server and one actor process, `a`. */
export async function startRegion(): Promise<RegionProcess> {
  const url = `nats://127.0.0.1:${await freePort()}`;
  await using started = new AsyncDisposableStack();
  const nats = locateNatsServer({ root: here(".."), env: process.env }).path;
  const port = new URL(url).port;
  const store = await mkdtemp(join(tmpdir(), "parl-bench-"));
  started.defer(() => rm(store, { recursive: true }));
  const server = ["-c", here("../deploy/nats/region.conf"), "-a", "127.0.0.1", "-p", port, "-sd", store];
  const serving = await startChild(started, nats, server, /Server is ready/);
  const actor = [here("../cli/main.ts"), "actor", "--nats", url, "--policies", here("nats-policy.yaml")];
  const actors = new AsyncDisposableStack();
  started.use(actors);
  const add = (id: string, ...flags: string[]): Promise<ChildProcess> =>
    startChild(actors, process.execPath, [...actor, "--id", id, ...flags], / ready: /);
  const deciding = await add("a", "--claim-at-once");
  const running = started.move();
  return {
    url,
    pids: { server: serving.pid as number, actor: deciding.pid as number },
    addActor: (id) => add(id),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Starts a child that ends with `owner`, and waits for the line that says it works. */
async function startChild(
  owner: AsyncDisposableStack,
  path: string,
  args: string[],
  ready: RegExp,
): Promise<ChildProcess> {
  const env = { ...process.env, ...(path === process.execPath && actorEnvironment(process.env)) };
  const child = spawn(path, args, { stdio: ["ignore", "pipe", "pipe"], env });
  owner.defer(() => end(child));
  const words: string[] = [];
  const isReady = Promise.withResolvers<boolean>();
  for (const input of [child.stdout, child.stderr]) {
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

function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer().once("error", reject);
  probe.listen(0, "127.0.0.1", () => {
    const { port } = probe.address() as AddressInfo;
    probe.close(() => resolve(port));
  });
  return promise;
}
