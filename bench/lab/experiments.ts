/** The experiments of the lab, in the order they are run and told. */
import { batching } from "./batching.ts";
import { boundaryBurst } from "./boundary-burst.ts";
import { burstShaping } from "./burst-shaping.ts";
import { bytesPerKey } from "./bytes-per-key.ts";
import type { Experiment } from "./experiment.ts";
import { expiry } from "./expiry.ts";
import { hotLog } from "./hot-log.ts";
import { localAndRedis } from "./local-and-redis.ts";
import { severalRedis } from "./several-redis.ts";

export const EXPERIMENTS: readonly Experiment[] = [
  boundaryBurst,
  burstShaping,
  localAndRedis,
  batching,
  severalRedis,
  bytesPerKey,
  hotLog,
  expiry,
];
