/** The experiments of the lab, in the order they are run and told. */
import { accuracyMemory } from "./accuracy-memory.ts";
import { actorProcesses } from "./actor-processes.ts";
import { approximateLogs } from "./approximate-logs.ts";
import { batching } from "./batching.ts";
import { boundaryBurst } from "./boundary-burst.ts";
import { burstShaping } from "./burst-shaping.ts";
import { bytesPerKey } from "./bytes-per-key.ts";
import { clockSkew } from "./clock-skew.ts";
import type { Experiment } from "./experiment.ts";
import { expiry } from "./expiry.ts";
import { fairness } from "./fairness.ts";
import { hotKeyRelief } from "./hot-key-relief.ts";
import { hotKeys } from "./hot-keys.ts";
import { hotLog } from "./hot-log.ts";
import { localAndRedis } from "./local-and-redis.ts";
import { logBreakEven } from "./log-break-even.ts";
import { luaAgreement } from "./lua-agreement.ts";
import { oneKeyCounter } from "./one-key-counter.ts";
import { peers } from "./peers.ts";
import { preAllocatedBucket } from "./pre-allocated-bucket.ts";
import { redisCell } from "./redis-cell.ts";
import { serverClock } from "./server-clock.ts";
import { severalRedis } from "./several-redis.ts";

export const EXPERIMENTS: readonly Experiment[] = [
  luaAgreement,
  boundaryBurst,
  bytesPerKey,
  hotLog,
  expiry,
  localAndRedis,
  batching,
  severalRedis,
  hotKeys,
  hotKeyRelief,
  fairness,
  accuracyMemory,
  logBreakEven,
  burstShaping,
  clockSkew,
  serverClock,
  redisCell,
  preAllocatedBucket,
  oneKeyCounter,
  approximateLogs,
  peers,
  actorProcesses,
];
