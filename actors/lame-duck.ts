/**
 * What to do when the NATS server says that it will soon be gone (lame duck mode: it takes no new connections,
 * its JetStream has ended, and it closes the connections it has one by one).
 *
 *      ldm ─▶ is there another server, and does it answer?
 *              ├─ yes ─▶ hush ─▶ nothing under way ─▶ reconnect there ─▶ resume      a moment's silence, at ours
 *              └─ no ──▶ say so and stay until it ends; then as after any restart of the server
 *
 * The client library by itself would stay until the server cuts it off in the middle of whatever it does. By
 * going at a moment of our own nothing accepted is lost, no answer of the lease store or the journal is missed,
 * and the lease goes on. Whoever asks in that moment hears at once that nobody is there (or nothing, when his
 * message was on its way from another server that did not know it yet).
 */
import type { NatsConnection } from "@nats-io/transport-node";

/** Longest wait for the other server; far below what a server gives its clients to go. */
const RECONNECT_MAX_MS = 5_000;

export interface LameDuckScene {
  readonly connection: NatsConnection;
  /** Connects to one of these servers, and tells which; rejects when none answers. */
  readonly tryServers: (servers: readonly string[]) => Promise<string>;
  /** Takes nothing new in; resolves when nothing is under way, or it has waited long enough. */
  readonly hush: () => Promise<void>;
  readonly resume: () => void;
  /** For whoever reads the log. */
  readonly say: (words: string) => void;
}

export class LameDuck {
  readonly #scene: LameDuckScene;
  /** Whether this server's end is known and dealt with: it may be told more than once. */
  #isKnown = false;
  #onReconnect: (() => void) | undefined;

  constructor(scene: LameDuckScene) {
    this.#scene = scene;
  }

  /** Until the connection is closed. */
  async follow(): Promise<void> {
    for await (const { type } of this.#scene.connection.status()) {
      if (type === "reconnect") {
        this.#isKnown = false;
        this.#onReconnect?.();
      } else if (type === "ldm" && !this.#isKnown) {
        this.#isKnown = true;
        void this.#leave();
      }
    }
  }

  async #leave(): Promise<void> {
    const { connection, tryServers, hush, resume, say } = this.#scene;
    const here = connection.getServer();
    const known = connection.getServers().map(({ listen }) => listen);
    const others = known.filter((listen) => listen !== here);
    const isLame = `the NATS server at ${here} is about to end (lame duck mode)`;
    const stay = "this process stays until then and goes on when it is back";
    if (others.length === 0) {
      say(`${isLame} and no other is known; ${stay}`);
      return;
    }
    let next: string;
    try {
      next = await tryServers(others);
    } catch {
      say(`${isLame} and none answers at ${others.join(", ")}; ${stay}`);
      return;
    }
    say(`${isLame}; going to ${next}`);
    await hush();
    // It may have cut us off meanwhile.
    if (connection.getServer() === here) await this.#reconnect(next, known);
    resume();
  }

  async #reconnect(next: string, known: readonly string[]): Promise<void> {
    const { connection, say } = this.#scene;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#onReconnect = () => resolve(true);
    const timer = setTimeout(() => resolve(false), RECONNECT_MAX_MS);
    // Else the library might try this server first, which would cost another moment.
    connection.setServers([next]);
    try {
      await connection.flush();
      await connection.reconnect();
    } catch {
      // Cut off meanwhile: the library is on its way already.
    }
    const isBack = await promise;
    clearTimeout(timer);
    this.#onReconnect = undefined;
    if (connection.isClosed()) return;
    connection.setServers([...new Set([next, ...known])]);
    say(isBack ? `connected to ${connection.getServer()}` : `${next} does not answer; trying all servers`);
  }
}
