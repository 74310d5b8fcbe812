/**
 * One racer, alone in a process of its own, so that nobody measures another's heap, garbage or compiled code, and so
 * that only a racer's clock is the trace's (trace-clock.ts); race-child.ts is the other end.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import type { AlgorithmName } from "../../algorithms/algorithm.ts";
import { ParlError } from "../../core/errors.ts";
import type { PublishedName, Terms } from "./published-limiters.ts";
import type { RaceSize } from "./race-trace.ts";

/** Room for a round's garbage, so that collections of the young generation are few for everybody. */
const V8_FLAGS = ["--min-semi-space-size=64", "--max-semi-space-size=64"];

export type Racer =
  | { readonly parl: AlgorithmName; readonly backend: "local" | "redis" }
  | { readonly published: PublishedName };

export interface RaceArgument {
  readonly racer: Racer;
  readonly terms: Terms;
  readonly size: RaceSize;
  readonly seed: number;
  /** An empty Redis of the racer's own, where it is one on Redis. */
  readonly redisUrl: string | null;
}

export interface RaceAnswer {
  readonly decisions_per_s: number;
  /** What Redis says its commands took; null without one. */
  readonly redis_us_per_decision: number | null;
  /** From the moment a request was due. */
  readonly p50_us: number;
  readonly p99_us: number;
  readonly over_admit_pct: number;
  readonly under_admit_pct: number;
  readonly decisions: number;
  readonly denied: number;
}

export async function race(argument: RaceArgument): Promise<RaceAnswer> {
  const child = fork(new URL("./race-child.ts", import.meta.url), [JSON.stringify(argument)], {
    execArgv: ["--expose-gc", ...V8_FLAGS],
    serialization: "advanced",
  });
  const settled = new AbortController();
  const { signal } = settled;
  const exited = once(child, "exit");
  try {
    const answered = once(child, "message", { signal });
    const died = once(child, "exit", { signal }).then(([code, killedBy]) => {
      const message = `a racer ended (${String(killedBy ?? code)}) before it arrived`;
      throw new ParlError("PARL_UNAVAILABLE", message);
    });
    const [answer] = await Promise.race([answered, died]);
    return answer as RaceAnswer;
  } finally {
    settled.abort();
    child.kill();
    await exited;
  }
}
