/**
 * The child processes of `parl up`: started one after the other, each awaited until it says it is ready,
 * restarted when it dies, ended together in reverse order.
 *
 * Children run in process groups of their own, so that a Ctrl-C at the terminal reaches only us and the
 * order of leaving is ours: gateways before actors before servers. The price is that nobody else would end
 * them: a second Ctrl-C or a bug that ends this process kills those that are still there. When it is killed
 * itself, each ends by its lifeline, servers last.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Supervisor } from "../../actors/supervisor.ts";
import { ParlError } from "../../core/errors.ts";
import { micros, US_PER_MS } from "../../core/units.ts";
import { spawnOnLifeline } from "../../deploy/lifeline.ts";

export interface Part {
  readonly title: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** More arguments, for the first start only. */
  readonly firstArgs?: readonly string[];
  /** A line of its output that means it works. */
  readonly readyLine: RegExp;
  /** Title of the part without which it could not leave in order. */
  readonly servedBy?: string;
}

interface Running {
  readonly part: Part;
  readonly supervisor: Supervisor;
  child: ChildProcess;
  /** Set while a dead child waits to be started again. */
  restart?: NodeJS.Timeout;
}

const READY_WITHIN_MS = 15_000;
/** An actor hands its shards over before it leaves. */
const LEAVE_WITHIN_MS = 15_000;
/** Lines of a child's output kept, to explain why it did not start. */
const LINES_KEPT = 5;

export class ProcessGroup {
  readonly #say: (line: string) => void;
  readonly #running: Running[] = [];
  #isStopping = false;

  readonly #kill = (): void => {
    for (const { child } of this.#running) child.kill("SIGKILL");
  };

  constructor(say: (line: string) => void) {
    this.#say = say;
    process.once("exit", this.#kill);
  }

  /** Starts a part and waits until it is ready. @throws ParlError PARL_UNAVAILABLE with its last words */
  async start(part: Part, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#isStopping) return;
    const child = this.#spawn({ ...part, args: [...part.args, ...(part.firstArgs ?? [])] });
    const running: Running = { part, supervisor: new Supervisor(), child };
    this.#running.push(running);
    const lastWords = await untilReady(child, part.readyLine, signal);
    if (lastWords === undefined || signal.aborted) {
      this.#watch(running);
      return;
    }
    await this.end(part.title);
    const message = `${part.title} did not start: ${lastWords.join(" / ") || "it said nothing"}`;
    throw new ParlError("PARL_UNAVAILABLE", message);
  }

  async untilAborted(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await once(signal, "abort");
  }

  /** Ends one part for good. */
  async end(title: string): Promise<void> {
    const at = this.#running.findIndex(({ part }) => part.title === title);
    const [running] = at < 0 ? [] : this.#running.splice(at, 1);
    if (running !== undefined) await endChild(running);
  }

  /** Ends every child, last started first, kindly and then not. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const { restart } of this.#running) clearTimeout(restart);
    for (const running of this.#running.toReversed()) await endChild(running);
    process.removeListener("exit", this.#kill);
  }

  #spawn({ path, args, env, servedBy }: Part): ChildProcess {
    return spawnOnLifeline(path, args, {
      env: { ...process.env, ...env },
      detached: true,
      servedBy: this.#running.find(({ part }) => part.title === servedBy)?.child,
    });
  }

  #watch(running: Running): void {
    const { part, child } = running;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      // A server's own log lines would drown what matters; ours are few.
      const isOurs = part.path === process.execPath;
      createInterface({ input: stream }).on("line", (line) => isOurs && this.#say(line));
    }
    child.once("exit", (code, signal) => this.#onEnd(running, signal ?? `exit code ${code}`));
    // What could not be spawned never ran: there is no exit to wait for.
    child.once("error", (error) => child.pid === undefined && this.#onEnd(running, error.message));
  }

  #onEnd(running: Running, how: string): void {
    if (this.#isStopping || !this.#running.includes(running)) return;
    const nowUs = micros(Math.floor(performance.now() * US_PER_MS));
    const delayMs = running.supervisor.delayAfterCrashUs(nowUs) / US_PER_MS;
    this.#say(`${running.part.title} ended (${how}); starting it again in ${delayMs} ms`);
    running.restart = setTimeout(() => this.#restart(running), delayMs);
  }

  #restart(running: Running): void {
    if (this.#isStopping || !this.#running.includes(running)) return;
    running.child = this.#spawn(running.part);
    this.#watch(running);
  }
}

async function endChild({ child }: Running): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), LEAVE_WITHIN_MS);
  await gone;
  clearTimeout(force);
}

/** Undefined when the child said it is ready, else what it said before it ended or time was up. */
async function untilReady(
  child: ChildProcess,
  readyLine: RegExp,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  const lines: string[] = [];
  const done = Promise.withResolvers<string[] | undefined>();
  const readers = [child.stdout, child.stderr].flatMap((input) =>
    input === null ? [] : [createInterface({ input })],
  );
  for (const reader of readers) {
    reader.on("line", (line) => {
      lines.push(line);
      if (lines.length > LINES_KEPT) lines.shift();
      if (readyLine.test(line)) done.resolve(undefined);
    });
  }
  // The streams close after the exit, so that the last words are in.
  child.once("close", () => done.resolve(lines));
  child.once("error", (error) => done.resolve([error.message]));
  const timer = setTimeout(
    () => done.resolve([...lines, `not ready within ${READY_WITHIN_MS / 1_000} s`]),
    READY_WITHIN_MS,
  );
  const onAbort = (): void => done.resolve(undefined);
  signal.addEventListener("abort", onAbort);
  const outcome = await done.promise;
  signal.removeEventListener("abort", onAbort);
  clearTimeout(timer);
  for (const reader of readers) reader.close();
  return outcome;
}
