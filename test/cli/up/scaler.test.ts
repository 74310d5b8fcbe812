import { describe, expect, it } from "vitest";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Part, ProcessGroup } from "../../../cli/up/process-group.ts";
import { PROCESSES_MAX, SCALE_SUBJECT, Scaler } from "../../../cli/up/scaler.ts";
import { ParlError } from "../../../core/errors.ts";

/** Processes by name, started and ended when the test says so. */
class Group {
  readonly running: string[] = [];
  readonly log: string[] = [];
  /** Parts that do not start. */
  readonly broken = new Set<string>();
  isPaused = false;
  readonly #waiting: (() => void)[] = [];

  async start({ title }: Part): Promise<void> {
    this.log.push(`start ${title}`);
    await this.#turn();
    if (this.broken.has(title)) throw new ParlError("PARL_UNAVAILABLE", `${title} did not start`);
    this.running.push(title);
  }

  async end(title: string): Promise<void> {
    this.log.push(`end ${title}`);
    await this.#turn();
    this.running.splice(this.running.indexOf(title), 1);
  }

  resume(): void {
    this.isPaused = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  async #turn(): Promise<void> {
    if (!this.isPaused) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }
}

function partOf(n: number): Part {
  return { title: `actor ${n}`, path: "nowhere", args: [], env: {}, readyLine: /ready/ };
}

function scene() {
  const group = new Group();
  const stop = new AbortController();
  const actors = { region: "eu", part: partOf };
  return { group, stop, scaler: new Scaler(group as unknown as ProcessGroup, actors, stop.signal) };
}

/** Asks over a connection that is none; the answer as JSON. */
function asker(scaler: Scaler): (payload: string) => Promise<unknown> {
  let deliver: ((error: null, message: unknown) => void) | undefined;
  scaler.listen({
    subscribe(subject: string, options: { callback: typeof deliver }) {
      expect(subject).toBe(SCALE_SUBJECT);
      deliver = options.callback;
    },
  } as unknown as NatsConnection);
  return (payload) => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const respond = (bytes: Uint8Array): void => resolve(JSON.parse(new TextDecoder().decode(bytes)));
    deliver?.(null, { data: new TextEncoder().encode(payload), respond });
    return promise;
  };
}

describe("a scaler", () => {
  it("starts one after the other, and ends the youngest first", async () => {
    const { group, scaler } = scene();
    await scaler.scaleTo(3);
    expect(group.running).toEqual(["actor 1", "actor 2", "actor 3"]);
    await scaler.scaleTo(1);
    expect(group.running).toEqual(["actor 1"]);
    await scaler.scaleTo(1);
    expect(group.log).toEqual([
      "start actor 1",
      "start actor 2",
      "start actor 3",
      "end actor 3",
      "end actor 2",
    ]);
    await scaler.scaleTo(2);
    expect(group.running).toEqual(["actor 1", "actor 2"]);
  });

  it("makes one change at a time, in the order they were asked for", async () => {
    const { group, scaler } = scene();
    group.isPaused = true;
    const changes = [scaler.scaleTo(2), scaler.scaleTo(1), scaler.scaleTo(3)];
    await Promise.resolve();
    expect(group.log).toEqual(["start actor 1"]);
    group.resume();
    await Promise.all(changes);
    expect(group.running).toEqual(["actor 1", "actor 2", "actor 3"]);
    expect(group.log.filter((line) => line.startsWith("end"))).toEqual(["end actor 2"]);
  });

  it("says which one does not start, keeps the others and goes on with the next change", async () => {
    const { group, scaler } = scene();
    group.broken.add("actor 2");
    await expect(scaler.scaleTo(3)).rejects.toMatchObject({ code: "PARL_UNAVAILABLE" });
    expect(group.running).toEqual(["actor 1"]);
    group.broken.clear();
    await scaler.scaleTo(2);
    expect(group.running).toEqual(["actor 1", "actor 2"]);
  });

  it("starts nothing more once it is to stop", async () => {
    const { group, stop, scaler } = scene();
    group.isPaused = true;
    const change = scaler.scaleTo(3);
    await Promise.resolve();
    stop.abort();
    group.resume();
    await change;
    expect(group.log).toEqual(["start actor 1"]);
  });

  it("answers who asks with what was and what is", async () => {
    const { scaler } = scene();
    await scaler.scaleTo(1);
    const ask = asker(scaler);
    expect(await ask('{"processes":3}')).toEqual({ region: "eu", before: 1, processes: 3 });
    expect(await ask('{"processes":2,"more":true}')).toEqual({ region: "eu", before: 3, processes: 2 });
  });

  it("tells each of two who ask at once what was before their own change", async () => {
    const { scaler } = scene();
    await scaler.scaleTo(1);
    const ask = asker(scaler);
    expect(await Promise.all([ask('{"processes":3}'), ask('{"processes":2}')])).toEqual([
      { region: "eu", before: 1, processes: 3 },
      { region: "eu", before: 3, processes: 2 },
    ]);
  });

  it("answers a process that does not start with an error", async () => {
    const { group, scaler } = scene();
    group.broken.add("actor 1");
    expect(await asker(scaler)('{"processes":1}')).toMatchObject({
      error: { code: "PARL_UNAVAILABLE", message: "actor 1 did not start" },
    });
  });

  it.each([
    ["", "PARL_MALFORMED"],
    ["null", "PARL_MALFORMED"],
    ["3", "PARL_INVALID_ARGUMENT"],
    ["{}", "PARL_INVALID_ARGUMENT"],
    ['{"processes":0}', "PARL_INVALID_ARGUMENT"],
    ['{"processes":1.5}', "PARL_INVALID_ARGUMENT"],
    ['{"processes":"2"}', "PARL_INVALID_ARGUMENT"],
    [`{"processes":${PROCESSES_MAX + 1}}`, "PARL_INVALID_ARGUMENT"],
  ])("starts nothing for %j", async (payload, code) => {
    const { group, scaler } = scene();
    expect(await asker(scaler)(payload)).toMatchObject({ error: { code } });
    expect(group.log).toEqual([]);
  });
});
