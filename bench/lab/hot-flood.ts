/**
 * One hot key that is asked as often as its Redis answers, from a process of its own, so that whoever is measured
 * beside it shares no queue with it but the server's.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { ParlError } from "../../core/errors.ts";
import type { RedisAddress } from "./redis-flood.ts";

export interface HotFloodOptions {
  readonly address: RedisAddress;
  /** Its script is in Redis. */
  readonly params: AlgorithmParams;
  readonly connections: number;
  /** Decisions sent together; each connection has two such batches under way. */
  readonly batch: number;
  /** A batch is one call of the script, not a pipeline of calls. */
  readonly isOneCall: boolean;
}

export class HotFlood implements AsyncDisposable {
  readonly #child: ChildProcess;
  #startMs = 0;
  /** What it said last when it failed. */
  #words = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.on("data", (chunk) => (this.#words += String(chunk)));
  }

  /** Resolves when the flood has reached the server. @throws ParlError PARL_UNAVAILABLE when it does not */
  static async start({ address: { host, port }, ...rest }: HotFloodOptions): Promise<HotFlood> {
    // Of a connection's options no more than can be written down.
    const options: HotFloodOptions = { address: { host, port }, ...rest };
    const program = new URL("hot-flood-child.ts", import.meta.url);
    const stdio = ["ignore", "inherit", "pipe", "ipc"] as const;
    const flood = new HotFlood(fork(program, [JSON.stringify(options)], { stdio: [...stdio] }));
    await flood.#answer();
    flood.#startMs = performance.now();
    return flood;
  }

  /** @returns decisions a second since it started */
  async stop(): Promise<number> {
    const answer = this.#answer();
    this.#child.send("stop");
    return (1_000 * (await answer)) / (performance.now() - this.#startMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill();
    await exited;
  }

  async #answer(): Promise<number> {
    const settled = new AbortController();
    const { signal } = settled;
    // "close" comes when its last words are read.
    const died = once(this.#child, "close", { signal }).then(([code, killedBy]) => {
      const why = /^\w*Error: (.*)$/m.exec(this.#words)?.[1] ?? String(killedBy ?? code);
      throw new ParlError("PARL_UNAVAILABLE", `the flood ended early: ${why}`);
    });
    try {
      const [answer] = await Promise.race([once(this.#child, "message", { signal }), died]);
      return answer as number;
    } finally {
      settled.abort();
      await died.catch(() => undefined);
    }
  }
}
