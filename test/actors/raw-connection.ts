/**
 * A connection that speaks the NATS protocol by hand, so that it can send what no client library would; and
 * that tells whether the server has closed it.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

const INBOX = "_INBOX.raw";

export class RawConnection {
  readonly #socket: Socket;
  #received = "";
  /** Called when there is more to look at. */
  #wake = (): void => undefined;
  isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      this.#received += chunk.toString("latin1");
      this.#wake();
    });
    socket.on("close", () => {
      this.isClosed = true;
      this.#wake();
    });
    // A connection reset is one way of closing it.
    socket.on("error", () => undefined);
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const connection = new RawConnection(socket);
    const hello = { verbose: false, pedantic: false, headers: true, no_responders: true };
    socket.write(`CONNECT ${JSON.stringify(hello)}\r\nSUB ${INBOX} 1\r\n`);
    await connection.flush();
    return connection;
  }

  /** Publishes and gives the answer, a JSON document. Undefined when the server closed the connection instead. */
  async request(subject: string, payload: Uint8Array): Promise<Record<string, any> | undefined> {
    this.#received = "";
    this.#socket.write(`PUB ${subject} ${INBOX} ${payload.length}\r\n`);
    this.#socket.write(payload);
    this.#socket.write("\r\n");
    const answer = await this.#until(/^H?MSG _INBOX\.raw 1(?: \S+)* (\d+)\r\n([^]*)\r\n$/m);
    return answer === undefined ? undefined : JSON.parse(answer[2] as string);
  }

  async flush(): Promise<void> {
    this.#received = "";
    this.#socket.write("PING\r\n");
    await this.#until(/PONG\r\n/);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #until(pattern: RegExp): Promise<RegExpExecArray | undefined> {
    for (;;) {
      const found = pattern.exec(this.#received);
      if (found !== null) return found;
      if (this.isClosed) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
