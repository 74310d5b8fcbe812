/**
 * One script on one Redis (or Cluster): loaded once, called by its SHA-1.
 *
 *      SCRIPT LOAD ─▶ EVALSHA sha … ─▶ answer
 *                        │ NOSCRIPT: flushed, restarted, failed over
 *                        ▼
 *                     EVAL text …   ─▶ answer, and loaded again
 *
 * A script that was not there has decided nothing, so calling it again is safe; EVAL carries the text along, so
 * that the second call cannot fail for the same reason, however often somebody flushes. Everything else that goes
 * wrong is the caller's to know. In a pipeline the calls that fell through are sent once more, in their order; calls
 * that are under way at the same time may overtake each other then.
 *
 * ioredis heals by itself what `defineCommand` makes, for 2 µs more a call (8 without).
 */
import type { ChainableCommander, Cluster, Redis } from "ioredis";
import { assert } from "../core/assert.ts";
import { ParlError } from "../core/errors.ts";
import { CallDeadline } from "./call-deadline.ts";
import { isNoScript, parlErrorOf } from "./redis-errors.ts";

/** What is sent, and what Redis calls it. */
export interface ScriptText {
  readonly text: string;
  readonly sha1: string;
}

export interface RedisScriptOptions {
  /** From the call to its answer. */
  readonly deadlineMs: number;
  /** Calls without an answer from Redis, late ones too; more are refused. */
  readonly inFlightMax: number;
}

/** How many keys, then the keys, then the arguments. */
export type ScriptCall = readonly [keys: number, ...keysAndArguments: string[]];

export class RedisScript {
  readonly #redis: Redis | Cluster;
  readonly #script: ScriptText;
  readonly #inFlightMax: number;
  readonly #deadline: CallDeadline;
  #inFlight = 0;
  #heals = 0;

  constructor(redis: Redis | Cluster, script: ScriptText, options: RedisScriptOptions) {
    this.#redis = redis;
    this.#script = script;
    this.#inFlightMax = options.inFlightMax;
    this.#deadline = new CallDeadline(options.deadlineMs);
  }

  /** Calls without an answer from Redis, late ones too. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Calls that brought the text along, because the script was not there. */
  get heals(): number {
    return this.#heals;
  }

  /** Puts the script where it will be called. Calls work without, the first one carrying the text. */
  async load(): Promise<void> {
    const nodes = "nodes" in this.#redis ? this.#redis.nodes("master") : [this.#redis];
    try {
      await Promise.all(nodes.map((node) => this.#deadline.over(node.script("LOAD", this.#script.text))));
    } catch (error) {
      throw parlErrorOf(error);
    }
  }

  /** @returns the script's answer @throws ParlError */
  async run(call: ScriptCall): Promise<string> {
    this.#admit(1);
    const answer = this.#redis.evalsha(this.#script.sha1, ...call) as Promise<string>;
    return this.#deadline.over(answer.then(this.#answered, (error: unknown) => this.#heal(error, call)));
  }

  /**
   * Runs calls in one pipeline. What went wrong with one of them is in its place; the rest is not affected.
   * On a Cluster all of them must go to one node.
   */
  async runAll(calls: ScriptPipeline): Promise<(string | ParlError)[]> {
    this.#admit(calls.length);
    return this.#deadline.over(this.#sendAll(calls));
  }

  pipeline(): ScriptPipeline {
    return new ScriptPipeline(this.#redis, this.#script);
  }

  // Made once: every call ends here.
  readonly #answered = (answer: string): string => {
    this.#inFlight -= 1;
    return answer;
  };

  async #heal(error: unknown, call: ScriptCall): Promise<string> {
    try {
      if (!isNoScript(error)) throw error;
      this.#heals += 1;
      return (await this.#redis.eval(this.#script.text, ...call)) as string;
    } catch (failure) {
      throw parlErrorOf(failure);
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #sendAll(calls: ScriptPipeline): Promise<(string | ParlError)[]> {
    try {
      return await calls.exec();
    } catch (failure) {
      throw parlErrorOf(failure);
    } finally {
      this.#inFlight -= calls.length;
    }
  }

  #admit(calls: number): void {
    if (this.#inFlight + calls > this.#inFlightMax) {
      throw new ParlError(
        "PARL_OVERLOADED",
        `Redis owes ${this.#inFlight} answers, and no more are asked for`,
      );
    }
    this.#inFlight += calls;
  }
}

/** Calls gathered to be sent together, however long before. */
export class ScriptPipeline {
  readonly #redis: Redis | Cluster;
  readonly #script: ScriptText;
  readonly #calls: ScriptCall[] = [];
  readonly #pipeline: ChainableCommander;

  constructor(redis: Redis | Cluster, script: ScriptText) {
    this.#redis = redis;
    this.#script = script;
    this.#pipeline = redis.pipeline();
  }

  get length(): number {
    return this.#calls.length;
  }

  add(call: ScriptCall): void {
    this.#calls.push(call);
    this.#pipeline.evalsha(this.#script.sha1, ...call);
  }

  async exec(): Promise<(string | ParlError)[]> {
    const results = await executed(this.#pipeline);
    const fallen = results.flatMap(([error], i) => (isNoScript(error) ? [i] : []));
    if (fallen.length > 0) {
      const again = this.#redis.pipeline();
      for (const i of fallen) again.eval(this.#script.text, ...(this.#calls[i] as ScriptCall));
      for (const [place, result] of (await executed(again)).entries())
        results[fallen[place] as number] = result;
    }
    return results.map(([error, value]) => (error === null ? (value as string) : parlErrorOf(error)));
  }
}

type Result = [error: Error | null, value: unknown];

async function executed(pipeline: ChainableCommander): Promise<Result[]> {
  const results = await pipeline.exec();
  // Only a transaction that was not carried out has none.
  assert(results !== null, "a pipeline answers every call");
  return results;
}
