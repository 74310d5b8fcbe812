/**
 * Our GCRA script and redis-cell in the same Redis, asked the same in one pipeline, with the time before and after:
 *
 *      TIME  EVALSHA …  CL.THROTTLE …  TIME │ TIME  EVALSHA …
 */
import type { ChainableCommander, Redis } from "ioredis";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { assert } from "../../core/assert.ts";
import { US_PER_S } from "../../core/units.ts";
import { scriptNumbers } from "../../lua/limiter-params.ts";
import { RedisKeys } from "../../lua/redis-keys.ts";
import { loadScript } from "../../lua/script-loader.ts";
import { ScriptProtocol } from "../../lua/script-protocol.ts";

/** A window of whole seconds, since the module knows no others. */
export type CellParams = AlgorithmParams & { readonly burst: number };

/** Both limiters asked the same, one right after the other, and how far apart at most. */
export class CellPairs {
  readonly #redis: Redis;
  readonly #params: CellParams;
  readonly #protocol: ScriptProtocol;
  readonly #sha1: string;

  constructor(redis: Redis, params: CellParams) {
    const { contract, sha1 } = loadScript(params.algorithm);
    this.#redis = redis;
    this.#params = params;
    this.#sha1 = sha1;
    this.#protocol = new ScriptProtocol(contract, {
      keys: new RedisKeys("pairs", params),
      numbers: { ...scriptNumbers(params), ttl_min_ms: 1 },
      limit: params.limit,
    });
  }

  async ask(asks: readonly { readonly name: string; readonly cost: number }[]) {
    const pipeline: ChainableCommander = this.#redis.pipeline();
    for (const { name, cost } of asks) {
      pipeline.time();
      pipeline.evalsha(this.#sha1, ...this.#protocol.pack("check", [{ key: name, cost }]));
      const [command, ...words] = throttle(this.#params, `cell-${name}`, cost);
      pipeline.call(command, ...words);
      pipeline.time();
    }
    const results = await pipeline.exec();
    assert(results !== null, "a pipeline answers every call");
    const answers = results.map(([error, value]) => {
      if (error !== null) throw error;
      return value;
    });
    return asks.map((_, index) => {
      const [before, ours, cells, after] = answers.slice(4 * index, 4 * index + 4);
      const [limited, , remaining] = cells as number[];
      return {
        verdict: this.#protocol.read(ours as string),
        cell: { isAllowed: limited === 0, remaining: remaining! },
        apartUs: timeUs(after) - timeUs(before),
      };
    });
  }
}

/** Of a reply to TIME. */
function timeUs(reply: unknown): number {
  const [seconds, us] = (reply as [string, string]).map(Number);
  return seconds! * US_PER_S + us!;
}

/** The module's command; its burst is what may come beside the first. */
export function throttle(
  { limit, windowUs, burst }: CellParams,
  key: string,
  cost: number,
): [string, ...string[]] {
  const numbers = [burst - 1, limit, windowUs / US_PER_S, cost];
  return ["CL.THROTTLE", key, ...numbers.map(String)];
}
