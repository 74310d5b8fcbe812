/**
 * A contestant in a process of its own, so that nobody measures another's heap, garbage or compiled code.
 * The parent asks one thing at a time and gets one answer; contestant-child.ts is the other end.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { ParlError } from "../core/errors.ts";
import type { ContestantName, ContestantOptions } from "./contestants.ts";

export interface ChildArgument {
  readonly name: ContestantName;
  readonly options: ContestantOptions;
}

export type Request =
  /** Makes keys 0 … keys − 1 live, with `hits` decisions each. */
  | { readonly ask: "fill"; readonly keys: number; readonly hits: number }
  /** Decides `decisions` Zipf-distributed draws over the filled keys. */
  | { readonly ask: "round"; readonly decisions: number; readonly zipfS: number; readonly seed: number };

export interface FillAnswer {
  /** Growth of the resident set after the fill, garbage collected, and at its highest during it. */
  readonly rssBytes: number;
  readonly peakBytes: number;
  /** The contestant's own account, where it keeps one. */
  readonly ownBytes: number | null;
}

export interface RoundAnswer {
  /** Duration of each batch, divided by its decisions. */
  readonly perDecisionUs: readonly number[];
  readonly denied: number;
  readonly allocatedBytesPerDecision: number;
}

export class ContestantProcess implements AsyncDisposable {
  readonly name: ContestantName;
  readonly #child: ChildProcess;

  constructor(name: ContestantName, options: ContestantOptions, v8Flags: readonly string[]) {
    this.name = name;
    const child = new URL("./contestant-child.ts", import.meta.url);
    const argument: ChildArgument = { name, options };
    this.#child = fork(child, [JSON.stringify(argument)], {
      execArgv: ["--expose-gc", "--max-old-space-size=16000", ...v8Flags],
      serialization: "advanced",
      // As `parl up` sets it for actors, and for the peers alike: what has been freed is given back.
      env: { ...process.env, MALLOC_MMAP_THRESHOLD_: "131072" },
    });
  }

  async fill(keys: number, hits = 1): Promise<FillAnswer> {
    return (await this.#ask({ ask: "fill", keys, hits })) as FillAnswer;
  }

  async round(decisions: number, zipfS: number, seed: number): Promise<RoundAnswer> {
    return (await this.#ask({ ask: "round", decisions, zipfS, seed })) as RoundAnswer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill();
    await exited;
  }

  async #ask(request: Request): Promise<unknown> {
    const settled = new AbortController();
    const { signal } = settled;
    const died = once(this.#child, "exit", { signal }).then(([code, killedBy]) => {
      const message = `${this.name} ended (${String(killedBy ?? code)}) before it answered; try fewer --keys`;
      throw new ParlError("PARL_UNAVAILABLE", message, { field: "keys" });
    });
    try {
      const answered = once(this.#child, "message", { signal });
      this.#child.send(request);
      const [answer] = await Promise.race([answered, died]);
      return answer;
    } finally {
      settled.abort();
      await died.catch(() => undefined);
    }
  }
}
