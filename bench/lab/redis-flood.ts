/**
 * As many calls as a Redis can take, from a client that costs next to nothing: calls are encoded beforehand, written
 * as they are, and of the answers only the lines are counted. What such a flood reaches is the server's ceiling, not
 * that of a client library.
 *
 *      asks ──encoded once──▶ bytes ──▶ socket ──▶ Redis ──▶ lines counted
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { ParlError } from "../../core/errors.ts";
import { scriptNumbers } from "../../lua/limiter-params.ts";
import { RedisKeys } from "../../lua/redis-keys.ts";
import { loadScript } from "../../lua/script-loader.ts";
import { ScriptProtocol, type Ask } from "../../lua/script-protocol.ts";

const LINE_END = 10;
const MINUS = 45;
/** A bulk string's length, and the string. */
const SCRIPT_ANSWER_LINES = 2;

/** Commands of one kind, ready to be sent as often as one likes. */
export interface EncodedCalls {
  readonly bytes: Buffer;
  readonly answerLines: number;
}

/** One EVALSHA a decision, or all of them in one. The script has to be in Redis. */
export function encodedDecisions(
  params: AlgorithmParams,
  asks: readonly Ask[],
  { ttlMinMs, isOneCall = false }: { readonly ttlMinMs: number; readonly isOneCall?: boolean },
): EncodedCalls {
  const { contract, sha1 } = loadScript(params.algorithm);
  const protocol = new ScriptProtocol(contract, {
    keys: new RedisKeys("flood", params),
    numbers: { ...scriptNumbers(params), ttl_min_ms: ttlMinMs },
    limit: params.limit,
  });
  const calls = isOneCall ? [asks] : asks.map((ask) => [ask]);
  const commands = calls.map((each) => ["EVALSHA", sha1, ...protocol.pack("check", each).map(String)]);
  // Of one call the lines are those within its string.
  const answerLines = isOneCall ? 1 + asks.length : SCRIPT_ANSWER_LINES * asks.length;
  return { bytes: encodedCommands(commands), answerLines };
}

/** In Redis' protocol. */
export function encodedCommands(commands: readonly (readonly string[])[]): Buffer {
  return Buffer.concat(
    commands.map((words) => {
      const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
      return Buffer.from(`*${words.length}\r\n${parts.join("")}`);
    }),
  );
}

/** As the options of a connection have it. */
export interface RedisAddress {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
}

interface Wait {
  /** Lines counted on this connection when it is over. */
  readonly until: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class RedisFlood implements Disposable {
  readonly #socket: Socket;
  readonly #waits: Wait[] = [];
  #asked = 0;
  #answered = 0;
  /** Whether the next byte begins a line. */
  #isAtStart = true;
  #failure: ParlError | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#count(chunk));
    const closed = (): void => this.#fail("PARL_UNAVAILABLE", "Redis closed the connection");
    socket.on("error", closed).on("close", closed);
  }

  static async open({ host = "127.0.0.1", port = 6379 }: RedisAddress): Promise<RedisFlood> {
    const socket = connect({ host, port, noDelay: true });
    await once(socket, "connect");
    return new RedisFlood(socket);
  }

  /** Resolves when all are answered; calls sent meanwhile queue behind them. @throws ParlError for an error reply */
  send({ bytes, answerLines }: EncodedCalls): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (answerLines === 0) return Promise.resolve();
    this.#asked += answerLines;
    this.#socket.write(bytes);
    return new Promise((resolve, reject) => void this.#waits.push({ until: this.#asked, resolve, reject }));
  }

  /** Whoever still waits is told. */
  [Symbol.dispose](): void {
    this.#fail("PARL_UNAVAILABLE", "the flood is over");
  }

  #count(chunk: Buffer): void {
    let from = 0;
    while (from < chunk.length) {
      // No line of an answer begins with it, but for errors: outcomes count from 0.
      if (this.#isAtStart && chunk[from] === MINUS) {
        const [line] = chunk.toString("utf8", from).split("\r\n");
        this.#fail("PARL_INTERNAL", `Redis answered a flood with ${line}`);
        return;
      }
      const end = chunk.indexOf(LINE_END, from);
      this.#isAtStart = end !== -1;
      if (end === -1) break;
      this.#answered += 1;
      from = end + 1;
    }
    if (this.#answered > this.#asked) {
      this.#fail("PARL_INTERNAL", `Redis answered ${this.#answered} lines, and was asked for ${this.#asked}`);
    }
    while (this.#waits.length > 0 && this.#waits[0]!.until <= this.#answered) this.#waits.shift()!.resolve();
  }

  #fail(code: "PARL_UNAVAILABLE" | "PARL_INTERNAL", message: string): void {
    this.#failure ??= new ParlError(code, message);
    for (const wait of this.#waits.splice(0)) wait.reject(this.#failure);
    this.#socket.destroy();
  }
}
