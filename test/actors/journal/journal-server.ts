/**
 * A real nats-server that keeps its files: it can be killed and started again where it was, with what it had
 * stored. Small stores are made by its configuration.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { locateNatsServer } from "../../../deploy/setup/locate.mjs";

const ROOT = new URL("../../../", import.meta.url).pathname;

export class JournalServer {
  readonly #folder: string;
  readonly #port: number;
  #child: ChildProcess | undefined;
  readonly #killAtExit = (): void => void this.#child?.kill("SIGKILL");

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
    process.once("exit", this.#killAtExit);
  }

  /** @param fileBytesMax room for all streams together */
  static async start(fileBytesMax = 2 ** 30): Promise<JournalServer> {
    const folder = await mkdtemp(join(tmpdir(), "parl-journal-"));
    const port = await freePort();
    const config = `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${folder}", max_file_store: ${fileBytesMax} }\n`;
    await writeFile(join(folder, "server.conf"), config);
    const server = new JournalServer(folder, port);
    server.restart();
    return server;
  }

  restart(): void {
    const { path } = locateNatsServer({ root: ROOT, env: process.env });
    this.#child = spawn(path, ["-c", join(this.#folder, "server.conf")], { stdio: "ignore" });
  }

  /** Waits for the server to be there. */
  connect(): Promise<NatsConnection> {
    return connect({
      servers: `127.0.0.1:${this.#port}`,
      waitOnFirstConnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      noAsyncTraces: true,
    });
  }

  /** As kill -9 does. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  async stop(): Promise<void> {
    await this.kill();
    process.off("exit", this.#killAtExit);
    await rm(this.#folder, { recursive: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
