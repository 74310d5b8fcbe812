/** The faults, each with what is promised while it lasts. Times have room for a machine that is busy. */
import { jetstreamManager } from "@nats-io/jetstream";
import { ParlError } from "../../core/errors.ts";
import { SHARDS_DEFAULT } from "../../core/key.ts";
import type { Scenario } from "./scenario.ts";

/** Takeover at the default lease: 3 s, and what a busy machine adds. */
const TAKEOVER_MS = 3_000;
const MARGIN_MS = 2_000;
const QUIET_GAP_MS = 1_500;

const THREE = ["a", "b", "c"] as const;
const ALL_SHARDS = Array.from({ length: SHARDS_DEFAULT }, (_, shard) => shard);
const GRACEFUL = { gapMs: QUIET_GAP_MS, failedMax: 0, unknownMax: 0 } as const;

const kill: Scenario = {
  name: "kill",
  expects: "kill -9 of one of three: the others take its shards within 3 s, nothing is admitted twice",
  members: THREE,
  promises: { gapMs: TAKEOVER_MS + MARGIN_MS, takeoverMs: TAKEOVER_MS + MARGIN_MS },
  async run(stage) {
    const { cluster } = stage;
    stage.ownerLost(cluster.shardsOf("b"));
    await cluster.actor("b").kill();
    await cluster.untilBalanced();
    stage.say("b is back");
    await cluster.startActor("b");
  },
};

const pause: Scenario = {
  name: "pause",
  expects: "SIGSTOP past the lease, then CONT: others take over, and what wakes up decides nothing",
  members: THREE,
  promises: { gapMs: TAKEOVER_MS + MARGIN_MS, takeoverMs: TAKEOVER_MS + MARGIN_MS },
  async run(stage) {
    const { cluster, leaseMs } = stage;
    stage.ownerLost(cluster.shardsOf("b"));
    cluster.actor("b").freeze();
    await stage.pause(leaseMs * 2.5 + 1_000);
    stage.say("b wakes up");
    cluster.actor("b").thaw();
  },
};

const leave: Scenario = {
  name: "leave",
  expects: "SIGTERM of one of three, and its return: no call fails, exit code 0",
  members: THREE,
  promises: GRACEFUL,
  async run(stage) {
    const { cluster } = stage;
    const startedMs = performance.now();
    await cluster.actor("b").stop();
    stage.measure("leave_ms", Math.round(performance.now() - startedMs));
    await cluster.untilBalanced();
    await cluster.startActor("b");
  },
};

const server: Scenario = {
  name: "server",
  expects: "nats-server killed twice, down for 0 s and for 4 s, same store and port: everything goes on",
  members: THREE,
  promises: { gapMs: 4_000 + 2 * TAKEOVER_MS + MARGIN_MS },
  async run(stage) {
    const { cluster } = stage;
    for (const downMs of [0, 4_000]) {
      stage.say(`nats-server is killed and down for ${downMs} ms`);
      // A lease that lapsed meanwhile costs its owner's shards a recovery from the journal.
      stage.ownerLost(ALL_SHARDS);
      await cluster.server.kill();
      await stage.pause(downMs);
      await cluster.startServer();
      await cluster.untilBalanced();
      await stage.pause(1_000);
    }
  },
};

const bucket: Scenario = {
  name: "bucket",
  expects: "the lease bucket deleted under load: owners keep their shards and what they know",
  members: THREE,
  promises: { gapMs: TAKEOVER_MS + MARGIN_MS },
  async run(stage) {
    const { cluster } = stage;
    const manager = await jetstreamManager(cluster.connection);
    await manager.streams.delete(`KV_PARL_${cluster.region}`);
    await stage.pause(stage.leaseMs);
  },
};

const disk: Scenario = {
  name: "disk",
  expects: "the store's disk full for 4 s, then freed and the server restarted: decisions go on within u",
  members: THREE,
  promises: { gapMs: 2 * TAKEOVER_MS + MARGIN_MS },
  cluster: { hasSmallDisk: true },
  async run(stage) {
    const { cluster } = stage;
    if (cluster.disk === undefined) {
      stage.measure("left_out", 1);
      stage.say("left out: this system lets nobody mount a small disk");
      return;
    }
    await cluster.disk.fill();
    stage.say("the disk is full");
    const before = stage.traffic.calls.length;
    await stage.pause(4_000);
    const verdicts = stage.traffic.calls.slice(before).filter(({ code }) => code === undefined).length;
    stage.measure("verdicts_while_full", verdicts);
    stage.promise(verdicts > 0, "disk", "no verdict while the disk was full");
    await cluster.disk.free();
    stage.crashed();
    await cluster.server.kill();
    await cluster.startServer();
  },
};

const store: Scenario = {
  name: "store",
  expects:
    "the server's file store at its limit for 4 s: decisions go on within u, and by themselves after it",
  members: THREE,
  promises: { gapMs: QUIET_GAP_MS },
  cluster: { configure: (config) => config.replace(/^ *max_file_store: \w+/m, "max_file_store: 2MB") },
  async run(stage) {
    const { cluster } = stage;
    const manager = await jetstreamManager(cluster.connection);
    await manager.streams.add({ name: "BALLAST", subjects: ["ballast"] });
    const block = new Uint8Array(8_192);
    try {
      for (;;) await manager.jetstream().publish("ballast", block, { timeout: 1_000 });
    } catch (error) {
      stage.say(`the store is full: ${(error as Error).message}`);
    }
    const before = stage.traffic.calls.length;
    await stage.pause(4_000);
    const verdicts = stage.traffic.calls.slice(before).filter(({ code }) => code === undefined).length;
    stage.measure("verdicts_while_full", verdicts);
    stage.promise(verdicts > 0, "store", "no verdict while the store was full");
    await manager.streams.delete("BALLAST");
  },
};

const churn: Scenario = {
  name: "churn",
  expects: "five processes joining and leaving under load: no call fails",
  members: ["a"],
  promises: GRACEFUL,
  async run(stage) {
    const { cluster } = stage;
    for (const id of ["b", "c", "d", "e"]) {
      await cluster.startActor(id);
      await stage.pause(500);
    }
    await cluster.untilBalanced();
    for (const [leaving, coming] of [
      ["a", "a"],
      ["d", "d"],
    ] as const) {
      await cluster.actor(leaving).stop();
      await cluster.startActor(coming);
    }
    // Two at once.
    await Promise.all([cluster.actor("b").stop(), cluster.actor("e").stop()]);
    await cluster.untilBalanced();
    stage.measure("moved_epochs", new Set(cluster.samples.flatMap(epochsOf)).size);
  },
};

const namesake: Scenario = {
  name: "namesake",
  expects: "a second process under a name in use refuses to start; nobody notices",
  members: THREE,
  promises: GRACEFUL,
  async run(stage) {
    const { cluster } = stage;
    const second = cluster.spawnActor("b");
    second.expect(1, 2);
    const startedMs = performance.now();
    const isStarted = await second.ready().then(
      () => true,
      () => false,
    );
    stage.measure("refused_ms", Math.round(performance.now() - startedMs));
    stage.promise(!isStarted, "actor b", "a second process with its name started");
    if (isStarted) throw new ParlError("PARL_INTERNAL", "two processes go by the name b");
    const saysWhy = /\bid\b/.test(second.lastWords) && /"?b"?/.test(second.lastWords);
    stage.promise(saysWhy, "actor b", `does not say why it refused: ${second.lastWords}`);
  },
};

const neighbour: Scenario = {
  name: "neighbour",
  expects: "an actor of another region's name on the same server disturbs nobody",
  members: THREE,
  promises: GRACEFUL,
  async run(stage) {
    const { cluster } = stage;
    const other = cluster.spawnActor("a", ["--claim-at-once"], "us");
    other.expect(0, 1, 2);
    const isStarted = await other.ready().then(
      () => true,
      () => false,
    );
    stage.measure("neighbour_started", Number(isStarted));
    stage.say(isStarted ? "us is ready" : `us did not start: ${other.lastWords}`);
    await stage.pause(3_000);
    await other.stop();
  },
};

export const SCENARIOS: readonly Scenario[] = [
  kill,
  pause,
  leave,
  server,
  bucket,
  disk,
  store,
  churn,
  namesake,
  neighbour,
];

function epochsOf({
  members,
}: {
  members: readonly { owned: readonly { shard: number; epoch: number }[] }[];
}): string[] {
  return members.flatMap(({ owned }) => owned.map(({ shard, epoch }) => `${shard} ${epoch}`));
}
