/** The experiments of the lab, in the order they are run and told. */
import { accuracyMemory } from "./accuracy-memory.ts";
import { approximateLogs } from "./approximate-logs.ts";
import { boundaryBurst } from "./boundary-burst.ts";
import { burstShaping } from "./burst-shaping.ts";
import { clockSkew } from "./clock-skew.ts";
import type { Experiment } from "./experiment.ts";
import { logBreakEven } from "./log-break-even.ts";
import { oneKeyCounter } from "./one-key-counter.ts";
import { preAllocatedBucket } from "./pre-allocated-bucket.ts";

export const EXPERIMENTS: readonly Experiment[] = [
  boundaryBurst,
  accuracyMemory,
  logBreakEven,
  burstShaping,
  clockSkew,
  preAllocatedBucket,
  oneKeyCounter,
  approximateLogs,
];
