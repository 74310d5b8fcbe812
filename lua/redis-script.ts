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
 * wrong is the caller's to know. Calls that are under way when one falls through may overtake it.
 *
 * Calls that are made together leave in one write. ioredis' own pipelines do that too, but every one of them survives
 * until the next full garbage collection, which then stops all answers for tens of milliseconds. It also heals by
 * itself what `defineCommand` makes, for 2 µs more a call (8 without).
 */
import { Command, type Cluster, type Redis } from "ioredis";
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
    const [answer] = this.#sendAll([call]) as [Promise<string>];
    return this.#deadline.over(
      answer.then(this.#answered, async (error: unknown) => this.#heal(error, call)),
    );
  }

  /** Runs calls at once, in order. What went wrong with one of them is in its place; the rest is not affected. */
  async runAll(calls: readonly ScriptCall[]): Promise<(string | ParlError)[]> {
    this.#admit(calls.length);
    const lines = this.#sendAll(calls).map(async (answer, i) =>
      answer.then(this.#answered, async (error: unknown) =>
        this.#heal(error, calls[i] as ScriptCall).catch((failure: unknown) => parlErrorOf(failure)),
      ),
    );
    return this.#deadline.over(Promise.all(lines));
  }

  /** Sends calls in one write. */
  #sendAll(calls: readonly ScriptCall[]): Promise<string>[] {
    const redis = this.#redis;
    if ("nodes" in redis)
      return calls.map((call) => redis.evalsha(this.#script.sha1, ...call) as Promise<string>);
    let text = "";
    const together = {
      isPipeline: true,
      destination: { redis },
      write: (part: string | Buffer) => (text += String(part)),
    } as const;
    const answers = calls.map((call) => {
      const command = new Command("evalsha", [this.#script.sha1, ...call], { replyEncoding: "utf8" });
      redis.sendCommand(command, together);
      return command.promise as Promise<string>;
    });
    if (text !== "") redis.stream.write(text);
    return answers;
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
