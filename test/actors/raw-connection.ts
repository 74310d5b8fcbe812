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
      const text = chunk.toString("latin1");
      // Whoever leaves the server's question unanswered is closed after a few seconds.
      if (text.includes("PING\r\n")) socket.write("PONG\r\n");
      this.#received += text;
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
    const answer = await this.#until(answerIn);
    return answer === undefined ? undefined : JSON.parse(answer);
  }

  async flush(): Promise<void> {
    this.#received = "";
    this.#socket.write("PING\r\n");
    await this.#until((received) => (received.includes("PONG\r\n") ? received : undefined));
  }

  close(): void {
    this.#socket.destroy();
  }

  async #until(find: (received: string) => string | undefined): Promise<string | undefined> {
    for (;;) {
      const found = find(this.#received);
      if (found !== undefined) return found;
      if (this.isClosed) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** The body of the first answer in `received` that is there whole: the server's own PINGs may follow it at once. */
function answerIn(received: string): string | undefined {
  const head = /^H?MSG _INBOX\.raw 1 (?:(\d+) )?(\d+)\r\n/m.exec(received);
  if (head === null) return undefined;
  const start = head.index + head[0].length;
  const [end, bodyStart] = [start + Number(head[2]), start + Number(head[1] ?? 0)];
  return received.length < end + 2 ? undefined : received.slice(bodyStart, end);
}
