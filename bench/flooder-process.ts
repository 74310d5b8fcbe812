/** A flooding tenant in a process of its own, so that nobody measures its work; flooder-child.ts is the other end. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { ParlError } from "../core/errors.ts";

export interface FloodOptions {
  readonly url: string;
  readonly tenant: string;
  readonly shards: readonly number[];
  /** Different keys on each of them. */
  readonly keys: number;
  readonly checksPerFrame: number;
  readonly framesInFlight: number;
}

export type FloodOrder = "flood" | "stop";

/** Checks answered since the flood began. */
export interface FloodAnswer {
  readonly decided: number;
  readonly refused: number;
}

export class FlooderProcess implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when it is connected; it does nothing until asked. */
  static async start(options: FloodOptions): Promise<FlooderProcess> {
    const child = new URL("./flooder-child.ts", import.meta.url);
    const flooder = new FlooderProcess(fork(child, [JSON.stringify(options)]));
    await flooder.#answer();
    return flooder;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async flood(): Promise<void> {
    await this.#ask("flood");
  }

  stop(): Promise<FloodAnswer> {
    return this.#ask("stop");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill();
    await exited;
  }

  #ask(order: FloodOrder): Promise<FloodAnswer> {
    const answered = this.#answer();
    this.#child.send(order);
    return answered;
  }

  async #answer(): Promise<FloodAnswer> {
    const settled = new AbortController();
    const { signal } = settled;
    const died = once(this.#child, "exit", { signal }).then(([code, killedBy]) => {
      throw new ParlError("PARL_UNAVAILABLE", `the flooder ended early (${String(killedBy ?? code)})`);
    });
    try {
      const [answer] = await Promise.race([once(this.#child, "message", { signal }), died]);
      return answer as FloodAnswer;
    } finally {
      settled.abort();
      await died.catch(() => undefined);
    }
  }
}
