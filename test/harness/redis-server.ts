/**
 * A real redis-server for one test: on loopback, a port that is free, nothing persisted. It ends with the test's
 * process at the latest, and nothing but this child is ever signalled.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { locateRedisServer } from "../../deploy/setup/locate.mjs";

const ROOT = new URL("../../", import.meta.url).pathname;
/** Somebody else may take a port between its being found free and the server's start. */
const ATTEMPTS_MAX = 5;

export interface TestRedisServer {
  readonly host: string;
  readonly port: number;
  /** Where nodes of a Cluster speak with each other. */
  readonly busPort: number;
  readonly url: string;
  /** Freezes the process: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
  /** As kill -9 does. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** Ends it and removes what it wrote; harmless after `kill`. */
  stop(): Promise<void>;
}

export interface TestRedisServerOptions {
  /** To come back where a killed server was. */
  readonly port?: number;
  /** A node of a Cluster, as yet without slots. */
  readonly isClusterNode?: boolean;
  readonly flags?: readonly string[];
}

export async function startRedisServer(options: TestRedisServerOptions = {}): Promise<TestRedisServer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(options);
    } catch (error) {
      const isTaken = (error as Error).message.includes("Address already in use");
      if (!isTaken || options.port !== undefined || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

async function startOnce(options: TestRedisServerOptions): Promise<TestRedisServer> {
  const { isClusterNode = false, flags = [] } = options;
  const [free, busPort] = await freePorts();
  const port = options.port ?? free;
  const store = await mkdtemp(join(tmpdir(), "parl-redis-"));
  const settings = {
    port,
    bind: "127.0.0.1",
    dir: store,
    save: "",
    appendonly: "no",
    ...(isClusterNode ? { "cluster-enabled": "yes", "cluster-port": busPort } : {}),
  };
  const { path } = locateRedisServer({ root: ROOT, env: process.env });
  const all = [
    ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...flags,
  ];
  const child = spawn(path, all, { stdio: ["ignore", "pipe", "ignore"] });
  const exited = once(child, "exit");
  const killAtExit = (): void => void child.kill("SIGKILL");
  process.once("exit", killAtExit);
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
    process.off("exit", killAtExit);
  };
  const stop = async (): Promise<void> => {
    await end();
    await rm(store, { recursive: true, force: true });
  };
  try {
    await readiness(child.stdout);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    host: "127.0.0.1",
    port,
    busPort,
    url: `redis://127.0.0.1:${port}`,
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    kill: end,
    stop,
  };
}

/** Rejects with the server's log when it ends before it is ready. */
async function readiness(stdout: NodeJS.ReadableStream): Promise<void> {
  const log: string[] = [];
  const lines = createInterface({ input: stdout });
  return new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      log.push(line);
      if (line.includes("Ready to accept connections")) resolve();
    });
    lines.on("close", () => reject(new Error(`redis-server ended before it was ready:\n${log.join("\n")}`)));
  });
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(async (server) => {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      return (server.address() as AddressInfo).port;
    }),
  );
  for (const server of servers) server.close();
  return ports as [number, number];
}
