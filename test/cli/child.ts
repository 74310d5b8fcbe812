/** `parl` as people run it: a real process, what it prints, and how it ends. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PATIENCE_MS = 20_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class ParlChild {
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown[]>;

  /** @param by the words that `argv` follows */
  constructor(
    argv: readonly string[],
    env: Readonly<Record<string, string>> = {},
    by: readonly [string, ...string[]] = [process.execPath, MAIN],
    cwd = ROOT,
  ) {
    const [program, ...words] = by;
    this.#child = spawn(program, [...words, ...argv], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout?.on("data", (chunk) => (this.stdout += chunk));
    this.#child.stderr?.on("data", (chunk) => (this.stderr += chunk));
    this.#closed = once(this.#child, "close");
  }

  /** As a terminal that was closed, or the other end of a `| head`. */
  stopReading(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  /** Resolves when it has printed something that matches. */
  async untilPrinted(pattern: RegExp): Promise<string> {
    await expect.poll(() => this.stdout, { timeout: PATIENCE_MS }).toMatch(pattern);
    return this.stdout;
  }

  /** Resolves when it has ended, or is ended for taking too long. */
  async ended(): Promise<Ended> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE_MS);
    const [code] = await this.#closed;
    clearTimeout(timer);
    return { code: code as number | null, stdout: this.stdout, stderr: this.stderr };
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  interrupt(): void {
    this.signal("SIGINT");
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends it kindly whatever happened, so that it can end its own children. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill("SIGINT");
    await this.ended();
  }
}

export function runParl(
  argv: readonly string[],
  env?: Readonly<Record<string, string>>,
  cwd?: string,
): Promise<Ended> {
  return new ParlChild(argv, env, undefined, cwd).ended();
}

/** Whether a process is there, be it dead but not yet taken note of by its parent. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Pids of the processes that this one has started and that are there. */
export function childrenOf(parent: number): number[] {
  const rows = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  const pairs = rows.map((row) => row.trim().split(/\s+/).map(Number) as [number, number]);
  return pairs.filter(([, ppid]) => ppid === parent).map(([pid]) => pid);
}

/** A port that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
