/**
 * A region of real processes: nats-server and any number of actors, each of which can be killed, frozen, asked
 * to leave and started again.
 *
 *      Cluster ── nats-server (one port, one store; comes back where it was)
 *              ── actor a, b, c … (cli/main.ts, by path)
 *              ── census: what the actors say they own, and what all processes take, four times a second
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { NatsConnection } from "@nats-io/transport-node";
import { connectRegion } from "../../client/connect-region.ts";
import { ParlError } from "../../core/errors.ts";
import { SHARDS_DEFAULT } from "../../core/key.ts";
import { locateNatsServer } from "../../deploy/setup/locate.mjs";
import { Child } from "./child.ts";
import type { Ended } from "./hygiene-check.ts";
import { policyFile } from "./limits.ts";
import type { CensusSample } from "./owner-check.ts";
import { SmallDisk } from "./region-store.ts";
import { checkLeft, MEMORY_MIB, mostOf, takenBy, type Laden, type Taken } from "./resources-check.ts";

export interface ClusterOptions {
  readonly region: string;
  readonly leaseMs: number;
  readonly signal: AbortSignal;
  readonly hasSmallDisk?: boolean;
  /** Text put in place of a part of the server's configuration. */
  readonly configure?: (config: string) => string;
}

interface RegionCensus {
  readonly unowned: number;
  readonly members: readonly (CensusSample["members"][number] & Laden)[];
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CENSUS_EVERY_MS = 250;
const CENSUS_PATIENCE_MS = 1_000;
const BALANCED_WITHIN_MS = 40_000;
/** What was lent to a process that has died is written off by then. */
const SETTLED_WITHIN_MS = 10_000;

export class Cluster implements AsyncDisposable {
  readonly region: string;
  readonly url: string;
  readonly disk: SmallDisk | undefined;
  /** Everything ever said in a census. */
  readonly samples: CensusSample[] = [];
  readonly #taken = new Map<Child, Taken>();
  readonly #options: ClusterOptions;
  readonly #folder: string;
  readonly #port: number;
  /** Everything ever started. */
  readonly #children: Child[] = [];
  readonly #actors = new Map<string, Child>();
  #server: Child | undefined;
  #connection: NatsConnection | undefined;
  #isOver = false;
  #asking: Promise<void> = Promise.resolve();

  private constructor(options: ClusterOptions, folder: string, port: number, disk: SmallDisk | undefined) {
    this.#options = options;
    this.#folder = folder;
    this.#port = port;
    this.region = options.region;
    this.url = `nats://127.0.0.1:${port}`;
    this.disk = disk;
  }

  /** A server and actors named `a`, `b`, … that share the shards. */
  static async start(options: ClusterOptions, members: readonly string[]): Promise<Cluster> {
    await using undo = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), "parl-faults-"));
    undo.defer(() => rm(folder, { recursive: true, force: true }));
    const disk = options.hasSmallDisk === true ? await SmallDisk.mount(join(folder, "disk")) : undefined;
    const cluster = new Cluster(options, folder, await freePort(), disk);
    undo.use(cluster);
    await writeFile(join(folder, "policies.yaml"), policyFile());
    await cluster.startServer();
    cluster.#connection = await connectRegion({ name: options.region, servers: [cluster.url] });
    const [first = "a", ...others] = members;
    await cluster.startActor(first, ["--claim-at-once"]);
    await Promise.all(others.map((id) => cluster.startActor(id)));
    cluster.#asking = cluster.#keepAsking();
    await cluster.untilBalanced();
    undo.move();
    return cluster;
  }

  get connection(): NatsConnection {
    return this.#connection as NatsConnection;
  }

  get server(): Child {
    return this.#server as Child;
  }

  actor(id: string): Child {
    const actor = this.#actors.get(id);
    if (actor === undefined) throw new ParlError("PARL_NOT_FOUND", `no actor ${id} was started here`);
    return actor;
  }

  /** Starts the server, or starts it again where it was. */
  async startServer(): Promise<void> {
    const { path } = locateNatsServer({ root: ROOT, env: process.env });
    const store = join(this.disk?.path ?? this.#folder, "store");
    const flags = ["-c", await this.#config(), "-a", "127.0.0.1", "-p", String(this.#port), "-sd", store];
    const title = "nats-server";
    this.#server = this.#started(new Child({ title, path, args: flags, ready: /Server is ready/ }));
    this.#server.expect(0, 1);
    await this.#server.ready();
  }

  async startActor(id: string, more: readonly string[] = []): Promise<Child> {
    const actor = this.spawnActor(id, more);
    this.#actors.set(id, actor);
    await actor.ready();
    return actor;
  }

  /** Starts a process that need not become a member. */
  spawnActor(id: string, more: readonly string[] = [], region: string = this.region): Child {
    const main = join(ROOT, "cli/main.ts");
    const lease = ["--lease-ms", String(this.#options.leaseMs)];
    const memory = ["--memory-mib", String(MEMORY_MIB)];
    const policies = ["--policies", join(this.#folder, "policies.yaml"), ...memory];
    const args = [
      main,
      "actor",
      "--region",
      region,
      "--id",
      id,
      "--nats",
      this.url,
      ...policies,
      ...lease,
      ...more,
    ];
    return this.#started(
      new Child({ title: `actor ${id}`, path: process.execPath, args, ready: / ready: / }),
    );
  }

  /** Shards of an actor as it last said. */
  shardsOf(id: string): number[] {
    for (const { members } of this.samples.toReversed()) {
      const found = members.find(({ member }) => member === id);
      if (found !== undefined) return found.owned.map(({ shard }) => shard);
    }
    return [];
  }

  /** Resolves when exactly the actors that run share all shards, and have stopped moving them. */
  async untilBalanced(): Promise<void> {
    const untilMs = performance.now() + BALANCED_WITHIN_MS;
    let before = "";
    while (performance.now() < untilMs) {
      const now = this.samples.at(-1);
      const about = now === undefined ? "" : shape(now);
      const isFresh = now !== undefined && performance.now() * 1_000 - now.atUs < 2_000_000;
      if (isFresh && about === before && this.#isBalanced(now)) return;
      before = about;
      await setTimeout(2 * CENSUS_EVERY_MS, undefined, { signal: this.#options.signal });
    }
    const message = `the shards were not shared out within ${BALANCED_WITHIN_MS / 1_000} s: ${before}`;
    throw new ParlError("PARL_DEADLINE_EXCEEDED", message);
  }

  /** The most that each process ever took. */
  get taken(): readonly Taken[] {
    return [...this.#taken.values()];
  }

  /** How laden the actors are: once nothing is left of what has been asked, or after ten seconds. */
  async settled(): Promise<readonly Laden[]> {
    const untilMs = performance.now() + SETTLED_WITHIN_MS;
    for (;;) {
      const isLast = performance.now() > untilMs;
      const seen = await this.#census().catch((error: unknown) => {
        if (isLast) throw error;
      });
      if (seen !== undefined && (isLast || checkLeft(seen.members).length === 0)) return seen.members;
      await setTimeout(CENSUS_EVERY_MS, undefined, { signal: this.#options.signal });
    }
  }

  /** Ends everything, in the order of leaving. @returns how everything that was ever started has ended */
  async stop(): Promise<Ended[]> {
    this.#isOver = true;
    await this.#asking;
    await this.#connection?.close();
    const actors = this.#children.filter((child) => child !== this.#server);
    await Promise.all(actors.map((child) => child.stop()));
    await this.#server?.stop();
    return this.#children.map((child) => child.report());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.disk?.[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #started(child: Child): Child {
    this.#children.push(child);
    return child;
  }

  async #config(): Promise<string> {
    const { configure } = this.#options;
    const path = join(ROOT, "deploy/nats/region.conf");
    if (configure === undefined) return path;
    const { readFile } = await import("node:fs/promises");
    const own = join(this.#folder, "nats.conf");
    await writeFile(own, configure(await readFile(path, "utf8")));
    return own;
  }

  #isBalanced({ unowned, members }: CensusSample): boolean {
    const running = [...this.#actors].filter(([, child]) => child.isRunning).map(([id]) => id);
    const most = Math.ceil(SHARDS_DEFAULT / running.length) + 1;
    const least = Math.max(1, SHARDS_DEFAULT - (running.length - 1) * most);
    const seen = members.map(({ member }) => member);
    if (unowned > 0 || seen.toSorted().join() !== running.toSorted().join()) return false;
    return members.every(({ owned }) => owned.length >= least && owned.length <= most);
  }

  async #keepAsking(): Promise<void> {
    while (!this.#isOver) {
      const atUs = Math.floor(performance.now() * 1_000);
      try {
        const { unowned, members } = await this.#census();
        const kept = members.map(({ member, owned }) => ({
          member,
          owned: owned.map(({ shard, epoch }) => ({ shard, epoch })),
        }));
        this.samples.push({ atUs, unowned, members: kept });
      } catch {
        // Nobody there, or the server is down: a census that was not taken proves nothing.
      }
      await Promise.all(this.#children.map((child) => this.#measure(child)));
      await setTimeout(CENSUS_EVERY_MS);
    }
  }

  async #census(): Promise<RegionCensus> {
    const answer = await this.connection.request("parl.observe.region", "", { timeout: CENSUS_PATIENCE_MS });
    return answer.json<RegionCensus>();
  }

  async #measure(child: Child): Promise<void> {
    const now = child.isRunning ? await takenBy(child.title, child.pid) : undefined;
    if (now !== undefined) this.#taken.set(child, mostOf(this.#taken.get(child), now));
  }
}

function shape({ unowned, members }: CensusSample): string {
  return `${members.map(({ member, owned }) => `${member}:${owned.length}`).join(" ")} unowned ${unowned}`;
}

async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer().once("error", reject);
  probe.listen(0, "127.0.0.1", () => {
    const { port } = probe.address() as AddressInfo;
    probe.close(() => resolve(port));
  });
  return promise;
}
