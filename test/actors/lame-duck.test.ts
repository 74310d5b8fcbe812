import type { NatsConnection, Status } from "@nats-io/transport-node";
import { describe, expect, it } from "vitest";
import { LameDuck } from "../../actors/lame-duck.ts";

/** A connection whose server says what the test has it say; what is done to it is written down. */
class Pond {
  readonly done: string[] = [];
  readonly said: string[] = [];
  servers: string[];
  here = "a:1";
  /** Servers that take connections. */
  alive = ["b:1", "c:1"];
  isHushed = Promise.resolve();
  /** Whether the connection is made anew when that is asked for. */
  isReconnecting = true;
  #told: (() => void) | undefined;
  readonly #statuses: Status[] = [];

  constructor(...servers: string[]) {
    this.servers = servers;
    const connection = {
      status: () => this.#status(),
      getServer: () => this.here,
      getServers: () => this.servers.map((listen) => ({ listen })),
      setServers: (servers_: string[]) => {
        this.servers = servers_;
        this.done.push(`servers ${servers_.join()}`);
      },
      flush: () => Promise.resolve(void this.done.push("flush")),
      reconnect: () => {
        this.done.push("reconnect");
        if (this.isReconnecting) this.reconnected(this.servers[0] as string);
        return Promise.resolve();
      },
      isClosed: () => false,
    };
    const duck = new LameDuck({
      connection: connection as unknown as NatsConnection,
      tryServers: (list) => {
        this.done.push(`try ${list.join()}`);
        const found = list.find((server) => this.alive.includes(server));
        return found === undefined ? Promise.reject(new Error("nobody")) : Promise.resolve(found);
      },
      hush: () => {
        this.done.push("hush");
        return this.isHushed;
      },
      resume: () => this.done.push("resume"),
      say: (words) => this.said.push(words),
    });
    void duck.follow();
  }

  tell(status: Status): void {
    this.#statuses.push(status);
    this.#told?.();
  }

  reconnected(server: string): void {
    this.here = server;
    this.tell({ type: "reconnect", server });
  }

  async lame(): Promise<void> {
    this.tell({ type: "ldm", server: this.here });
    await this.calm();
  }

  /** All that follows without anything new from outside has happened. */
  async calm(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  async *#status(): AsyncGenerator<Status> {
    for (;;) {
      for (let next = this.#statuses.shift(); next !== undefined; next = this.#statuses.shift()) yield next;
      await new Promise<void>((resolve) => (this.#told = resolve));
    }
  }
}

describe("on a server that is about to end", () => {
  it("goes to another that answers, when nothing is under way, and knows all servers again", async () => {
    const pond = new Pond("a:1", "b:1", "c:1");
    pond.alive = ["c:1"];
    const quiet = Promise.withResolvers<void>();
    pond.isHushed = quiet.promise;
    await pond.lame();
    expect(pond.done).toEqual(["try b:1,c:1", "hush"]);
    quiet.resolve();
    await pond.calm();
    expect(pond.done.slice(2)).toEqual([
      "servers c:1",
      "flush",
      "reconnect",
      "servers c:1,a:1,b:1",
      "resume",
    ]);
    expect(pond.said).toEqual([
      "the NATS server at a:1 is about to end (lame duck mode); going to c:1",
      "connected to c:1",
    ]);
  });

  it("does so once, however often it is told, and again on the next such server", async () => {
    const pond = new Pond("a:1", "b:1");
    const quiet = Promise.withResolvers<void>();
    pond.isHushed = quiet.promise;
    for (let i = 0; i < 3; i += 1) await pond.lame();
    quiet.resolve();
    await pond.calm();
    expect(pond.done.filter((step) => step === "reconnect")).toHaveLength(1);
    pond.alive = ["a:1"];
    await pond.lame();
    expect([pond.here, pond.done.filter((step) => step === "reconnect").length]).toEqual(["a:1", 2]);
  });

  it.each([
    ["no other is known", ["a:1"], []],
    ["none answers at b:1", ["a:1", "b:1"], []],
  ])("says that %s, once, and stays", async (why, servers, alive) => {
    const pond = new Pond(...servers);
    pond.alive = alive;
    await pond.lame();
    await pond.lame();
    expect(pond.said).toHaveLength(1);
    expect(pond.said[0]).toContain(`${why}; this process stays until then`);
    expect(pond.done.filter((step) => !step.startsWith("try"))).toEqual([]);
  });

  it("goes on where the library has gone, when it was cut off before it could go", async () => {
    const pond = new Pond("a:1", "b:1", "c:1");
    const quiet = Promise.withResolvers<void>();
    pond.isHushed = quiet.promise;
    await pond.lame();
    pond.reconnected("c:1");
    quiet.resolve();
    await pond.calm();
    expect(pond.done).toEqual(["try b:1,c:1", "hush", "resume"]);
  });
});
