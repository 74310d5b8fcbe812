/** The flags that say what decides, shared by what is run and what is held to compare with it. */
import type { AlgorithmParams } from "../algorithms/algorithm.ts";
import { ParlError } from "../core/errors.ts";
import type { Backend, NamedEvents } from "./backend.ts";
import type { Flags, FlagTable } from "./flags.ts";
import { LocalBackend } from "./local-backend.ts";
import { BATCHINGS, CLOCKS, RedisBackend, type RedisUse } from "./redis-backend.ts";
import { RedisNodes } from "./redis-nodes.ts";

const BACKENDS = ["local", "redis"] as const;
/** Travel together at most: a call of the script takes so many keys, its stack no more than about 8,000 words. */
const BATCH_MAX = 1_024;

export const BACKEND_FLAGS = {
  backend: { value: BACKENDS.join("|"), about: "what decides: this process, or Redis", fallback: "local" },
  clock: {
    value: CLOCKS.join("|"),
    about: "where `now` comes from: the trace, or Redis' own clock",
    fallback: "app",
  },
  redis: {
    value: "N|URL,…",
    about: "Redis only: how many to start, or which to use; keys are spread over several [1]",
  },
  batch: { value: "N", about: "Redis only: decisions that travel together at most [1]" },
  "batch-as": { value: BATCHINGS.join("|"), about: "Redis only: how they travel [pipeline]" },
} as const satisfies FlagTable;

/** Makes backends of one kind, one after the other. */
export interface BackendSource extends AsyncDisposable {
  readonly name: (typeof BACKENDS)[number];
  readonly clock: RedisUse["clock"];
  /** Decisions that travel together at most; null where nothing travels. */
  readonly batch: number | null;
  readonly batching: RedisUse["batching"] | null;
  open(trace: NamedEvents, params: AlgorithmParams, seed: number): Promise<Backend>;
}

/** @throws ParlError when flags do not go together, or Redis is not there */
export async function backendSource(flags: Flags): Promise<BackendSource> {
  const name = flags.choice("backend", BACKENDS);
  const clock = flags.choice("clock", CLOCKS);
  if (name === "local") {
    const foreign = ["redis", "batch", "batch-as"].find((flag) => flags.has(flag));
    if (foreign !== undefined) throw needsRedis(`--${foreign}`);
    if (clock === "redis") throw needsRedis("--clock redis");
    return {
      name,
      clock,
      batch: null,
      batching: null,
      open: (trace, params, seed) => Promise.resolve(new LocalBackend(trace, params, seed)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const use: RedisUse = {
    clock,
    batch: flags.has("batch") ? flags.count("batch", { min: 1, max: BATCH_MAX }) : 1,
    batching: flags.has("batch-as") ? flags.choice("batch-as", BATCHINGS) : "pipeline",
  };
  const nodes = await RedisNodes.open(flags.text("redis") ?? "1");
  nodes.keepApart();
  return {
    name,
    ...use,
    async open(trace, params) {
      // What a backend before this one has left.
      await nodes.clear();
      return RedisBackend.open(nodes, trace, params, use);
    },
    [Symbol.asyncDispose]: () => nodes[Symbol.asyncDispose](),
  };
}

function needsRedis(flag: string): ParlError {
  return new ParlError(
    "PARL_INVALID_ARGUMENT",
    `${flag} goes with --backend redis; leave it out, or add that`,
    {
      field: flag.split(" ")[0] as string,
    },
  );
}
