/**
 * A real nats-server for one test: the region's own configuration, a port the system picked, a store of its
 * own. It ends with the test's process at the latest, and nothing but this child is ever signalled.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { locateNatsServer } from "../../deploy/setup/locate.mjs";

const ROOT = new URL("../../", import.meta.url).pathname;
const RANDOM_PORT = -1;

export interface TestNatsServer {
  readonly url: string;
  readonly port: number;
  /** As kill -9 or a power cut does: no goodbye to anybody. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** Freezes the process: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
  /** Has it announce its end. */
  lameDuck(): void;
  /** Resolves when the process is gone. */
  readonly gone: Promise<unknown>;
  /** Folder of its JetStream. */
  readonly store: string;
  /** Ends it politely and removes its store; harmless after `kill`. */
  stop(): Promise<void>;
}

export interface TestNatsServerOptions {
  /** To come back where a killed server was. */
  readonly port?: number;
  /** Default: a region's. */
  readonly config?: string;
  /** Lines of configuration, after those. */
  readonly more?: string;
  /** To go on with what another server has stored. */
  readonly store?: string;
}

export async function startNatsServer(options: TestNatsServerOptions = {}): Promise<TestNatsServer> {
  const { port: wanted = RANDOM_PORT, config = join(ROOT, "deploy/nats/region.conf") } = options;
  const store = options.store ?? (await mkdtemp(join(tmpdir(), "parl-nats-")));
  const { path } = locateNatsServer({ root: ROOT, env: process.env });
  const combined = options.more === undefined ? config : join(store, "server.conf");
  if (options.more !== undefined) {
    await writeFile(combined, `${await readFile(config, "utf8")}\n${options.more}\n`);
  }
  const flags = ["-c", combined, "-a", "127.0.0.1", "-p", String(wanted), "-sd", store];
  const child = spawn(path, flags, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  const killAtExit = (): void => void child.kill("SIGKILL");
  process.once("exit", killAtExit);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
    process.off("exit", killAtExit);
  };
  const port = await listeningPort(child.stderr);
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    kill: () => end("SIGKILL"),
    pause() {
      child.kill("SIGSTOP");
      // The signal is on its way; until it has arrived the server answers.
      while (!isStopped(child.pid as number));
    },
    resume: () => void child.kill("SIGCONT"),
    lameDuck: () => void child.kill("SIGUSR2"),
    gone: exited,
    store,
    async stop() {
      child.kill("SIGCONT");
      await end("SIGTERM");
      await rm(store, { recursive: true, force: true });
    },
  };
}

/** As Linux tells; where nobody tells, at once. */
function isStopped(pid: number): boolean {
  const path = `/proc/${pid}/stat`;
  if (!existsSync(path)) return true;
  const words = readFileSync(path, "utf8");
  return words.slice(words.lastIndexOf(")") + 2).startsWith("T");
}

/** Reads the server's log up to "Server is ready". Rejects with the log when it ends before. */
async function listeningPort(stderr: NodeJS.ReadableStream): Promise<number> {
  const log: string[] = [];
  let port = 0;
  const lines = createInterface({ input: stderr });
  return new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      log.push(line);
      port ||= Number(/Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? 0);
      if (line.includes("Server is ready")) resolve(port);
    });
    lines.on("close", () => reject(new Error(`nats-server ended before it was ready:\n${log.join("\n")}`)));
  });
}
