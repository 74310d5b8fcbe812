/** A server that takes every call and never says a word, as a NATS server that hangs from the start. */
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

export class SilentServer implements AsyncDisposable {
  /** Calls taken so far. */
  calls = 0;
  readonly #open = new Set<Socket>();
  readonly #server: Server;

  static async start(): Promise<SilentServer> {
    const server = new SilentServer();
    await once(server.#server.listen(0, "127.0.0.1"), "listening");
    return server;
  }

  private constructor() {
    this.#server = createServer((socket) => {
      this.calls += 1;
      this.#open.add(socket);
      socket.on("close", () => this.#open.delete(socket));
      // The caller may hang up as it likes.
      socket.on("error", () => undefined);
      // Or it would not hear that he does.
      socket.resume();
    });
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Sockets open now. */
  get open(): number {
    return this.#open.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await once(this.#server.close(), "close");
  }
}
