/**
 * The way to one region: packs what is asked within a tick into one message per shard, and finds the check
 * that each answer belongs to.
 *
 *      add(check) ─▶ batch of (kind, tenant, shard) ──┐ end of tick
 *      add(check) ─▶ batch of …                       ├─▶ one frame each ─▶ _INBOX.<me>.<n>
 *                                                     │
 *      resolve ◀─ answer i of frame n ◀───────────────┴── one subscription for all replies
 *
 * A tick ends with the turn of the event loop while little is under way, so a single check never waits.
 * When much is, it goes on until half as much is packed as is unanswered (Nagle's rule), but not longer than
 * two milliseconds: the busier the caller, the fuller the messages.
 *
 * A deadline is kept for every check, by looking over the pending frames every few milliseconds. A region
 * that let several frames in a row go unanswered is left alone for a second, then tried again.
 *
 * Nothing here decides what a missing answer means: `failed` is told, with a typed error that says whether
 * the check can have been charged (deadline exceeded) or not (unavailable).
 */
import { createInbox, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { ParlError } from "../core/errors.ts";
import { encodeId, plainIdHash } from "../core/id.ts";
import { PackedReplyReader } from "../core/packed-reply.ts";
import { FRAME_KINDS, PackedRequestWriter } from "../core/packed-request.ts";
import { errorFrom } from "../core/wire-json.ts";
import { ShardDecision } from "./shard-decision.ts";
import type { CheckEvents, PendingCheck, TenantLane } from "./pending-check.ts";

const DEADLINE_SCAN_MS = 5;
/** Longest a check waits for company. */
const LINGER_MS = 2;
/** Frames unanswered in a row before a region is left alone, and for how long. */
const SUSPECT_AFTER_FRAMES = 3;
const SUSPECT_MS = 1_000;
/** Younger frames say nothing about the region: their callers were just impatient. */
const SUSPECT_FRAME_AGE_MS = 100;
/** Tenants whose batches are kept for reuse; a gateway meets any number of them. */
const LANES_KEPT = 256;
const STATUS_NO_RESPONDERS = 503;
const JSON_START = "{".charCodeAt(0);

interface Batch {
  readonly writer: PackedRequestWriter;
  readonly subject: string;
  checks: PendingCheck[];
  /** Whether the batch is among those to be sent at the end of the tick. */
  isOpen: boolean;
}

interface PendingFrame {
  /** By position in the frame; undefined once its deadline has passed. */
  readonly checks: (PendingCheck | undefined)[];
  readonly sentMs: number;
  nextDeadlineMs: number;
}

export class RegionLink {
  readonly region: string;
  readonly #connection: NatsConnection;
  readonly #events: CheckEvents;
  readonly #checksPerMessageMax: number;
  readonly #inbox: string;
  /** By tenant, then by kind and shard. Between flushes all are empty and may be forgotten. */
  readonly #batches = new Map<TenantLane, (Batch | undefined)[]>();
  readonly #open: Batch[] = [];
  readonly #frames = new Map<number, PendingFrame>();
  /** Checks in open batches, and in frames that were sent. */
  #packed = 0;
  #unanswered = 0;
  #isTickEnding = false;
  #lingerTimer: NodeJS.Timeout | undefined;
  readonly #reader = new PackedReplyReader();
  #frameNumber = 0;
  /** The owner's epoch as last heard. */
  #epoch = 0;
  #deadlineTimer: NodeJS.Timeout | undefined;
  #unansweredInARow = 0;
  #suspectUntilMs = 0;
  #isConnected = true;

  constructor(
    region: string,
    connection: NatsConnection,
    events: CheckEvents,
    checksPerMessageMax = Infinity,
  ) {
    this.region = region;
    this.#connection = connection;
    this.#events = events;
    this.#checksPerMessageMax = checksPerMessageMax;
    this.#inbox = createInbox();
    connection.subscribe(`${this.#inbox}.*`, { callback: (_error, message) => this.#onReply(message) });
    void this.#followStatus();
  }

  /** Whether it is worth asking this region now. */
  isUsable(nowMs: number): boolean {
    return this.#isConnected && nowMs >= this.#suspectUntilMs;
  }

  add(check: PendingCheck): void {
    const batch = this.#batchFor(check);
    if (!batch.writer.hasRoom || batch.checks.length === this.#checksPerMessageMax) this.#send(batch);
    if (!batch.isOpen) {
      batch.isOpen = true;
      this.#open.push(batch);
    }
    this.#packed += 1;
    this.#scheduleTickEnd();
    const { key, user, id, cost, tier } = check;
    batch.writer.add(tier, cost, tokenOf(key), tokenOf(user), tokenOf(id));
    batch.checks.push(check);
  }

  /** Sends what is packed, waits for it to leave, and fails what is still unanswered. */
  async close(): Promise<void> {
    this.#flush();
    clearInterval(this.#deadlineTimer);
    const error = new ParlError("PARL_UNAVAILABLE", "the client was closed before the answer came");
    for (const [number, frame] of this.#frames) {
      this.#forget(number, frame);
      this.#failFrame(frame, error);
    }
    await this.#connection.close();
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === "disconnect") this.#onDisconnect();
      else if (status.type === "reconnect") this.#isConnected = true;
    }
  }

  /** What was under way may or may not have been decided: nobody will say. */
  #onDisconnect(): void {
    this.#isConnected = false;
    const message = `region ${this.region} was disconnected before it answered; the check may have been charged`;
    const error = new ParlError("PARL_DEADLINE_EXCEEDED", message);
    for (const [number, frame] of this.#frames) {
      this.#forget(number, frame);
      this.#failFrame(frame, error);
    }
  }

  #batchFor({ kind, lane, shard }: PendingCheck): Batch {
    let batches = this.#batches.get(lane);
    if (batches === undefined) {
      batches = [];
      this.#batches.set(lane, batches);
    }
    const place = shard * FRAME_KINDS.length + FRAME_KINDS.indexOf(kind);
    const known = batches[place];
    if (known !== undefined) return known;
    const writer = new PackedRequestWriter(kind);
    const batch = { writer, subject: `parl.pack.${lane.token}.${shard}`, checks: [], isOpen: false };
    batches[place] = batch;
    return batch;
  }

  #scheduleTickEnd(): void {
    if (this.#isTickEnding) return;
    this.#isTickEnding = true;
    setImmediate(this.#endTick);
  }

  readonly #endTick = (): void => {
    this.#isTickEnding = false;
    if (this.#packed >= this.#unanswered / 2) this.#flush();
    else this.#lingerTimer ??= setTimeout(this.#flush, LINGER_MS);
  };

  readonly #flush = (): void => {
    clearTimeout(this.#lingerTimer);
    this.#lingerTimer = undefined;
    this.#packed = 0;
    for (const batch of this.#open) {
      batch.isOpen = false;
      if (batch.checks.length > 0) this.#send(batch);
    }
    this.#open.length = 0;
    if (this.#batches.size > LANES_KEPT) this.#batches.clear();
  };

  #send(batch: Batch): void {
    const { checks, subject } = batch;
    const frame = batch.writer.take(0);
    batch.checks = [];
    this.#unanswered += checks.length;
    this.#frameNumber += 1;
    let nextDeadlineMs = Infinity;
    for (const check of checks) if (check.deadlineMs < nextDeadlineMs) nextDeadlineMs = check.deadlineMs;
    this.#frames.set(this.#frameNumber, { checks, sentMs: performance.now(), nextDeadlineMs });
    this.#deadlineTimer ??= setInterval(() => this.#scanDeadlines(), DEADLINE_SCAN_MS);
    this.#connection.publish(subject, frame, { reply: `${this.#inbox}.${this.#frameNumber}` });
  }

  #onReply(message: Msg): void {
    const number = Number(message.subject.slice(this.#inbox.length + 1));
    const frame = this.#frames.get(number);
    if (frame === undefined) return;
    this.#forget(number, frame);
    if (this.#packed > 0) this.#scheduleTickEnd();
    if (message.data.length === 0 && message.headers?.code === STATUS_NO_RESPONDERS) {
      const text = `no actor answers for this shard in region ${this.region}`;
      this.#failFrame(frame, new ParlError("PARL_UNAVAILABLE", text));
      return;
    }
    this.#unansweredInARow = 0;
    if (message.data[0] === JSON_START) {
      this.#failFrame(frame, refusalOf(message.data));
      return;
    }
    this.#deliver(frame, message.data);
  }

  #deliver(frame: PendingFrame, reply: Uint8Array): void {
    const reader = this.#reader;
    try {
      reader.open(reply);
    } catch (error) {
      this.#failFrame(frame, error as ParlError);
      return;
    }
    this.#epoch = reader.epoch;
    const facts = { region: this.region, decidedUs: reader.decidedUs, sequence: reader.sequence };
    for (let index = 0; index < frame.checks.length; index += 1) {
      const check = frame.checks[index];
      if (check === undefined) continue;
      if (index >= reader.count) {
        this.#events.failed(
          check,
          new ParlError("PARL_INTERNAL", "the packed reply has fewer answers than asked for"),
        );
        continue;
      }
      reader.select(index);
      if (reader.kind === "decision") {
        this.#events.decided(check, new ShardDecision(reader, index, check.tier, facts));
      } else if (reader.kind === "moved") {
        this.#follow(check, reader.shard);
      } else {
        this.#events.failed(check, this.#itemError());
      }
    }
  }

  /** The key's home is another shard: asks there, once. */
  #follow(check: PendingCheck, shard: number): void {
    if (check.moves > 0) {
      const message = `the key's home moved twice; are --shards equal in client and region ${this.region}?`;
      this.#events.failed(check, new ParlError("PARL_NOT_OWNER", message));
      return;
    }
    check.moves += 1;
    check.shard = shard;
    this.add(check);
  }

  #itemError(): ParlError {
    const { errorCode, text, waitUs } = this.#reader;
    return new ParlError(
      errorCode,
      text ?? "the shard gave no reason",
      waitUs > 0 ? { retryAfterMs: waitUs / 1_000 } : {},
    );
  }

  #failFrame(frame: PendingFrame, error: ParlError): void {
    for (const check of frame.checks) if (check !== undefined) this.#events.failed(check, error);
  }

  #scanDeadlines(): void {
    const nowMs = performance.now();
    for (const [number, frame] of this.#frames) {
      if (frame.nextDeadlineMs > nowMs) continue;
      frame.nextDeadlineMs = Infinity;
      for (const [index, check] of frame.checks.entries()) {
        if (check === undefined) continue;
        if (check.deadlineMs > nowMs) {
          frame.nextDeadlineMs = Math.min(frame.nextDeadlineMs, check.deadlineMs);
          continue;
        }
        frame.checks[index] = undefined;
        const message = `region ${this.region} did not answer in time; the check may have been charged`;
        this.#events.failed(check, new ParlError("PARL_DEADLINE_EXCEEDED", message));
      }
      if (frame.nextDeadlineMs === Infinity) this.#giveUp(number, frame, nowMs);
    }
    if (this.#frames.size > 0) return;
    clearInterval(this.#deadlineTimer);
    this.#deadlineTimer = undefined;
  }

  #forget(number: number, frame: PendingFrame): void {
    this.#frames.delete(number);
    this.#unanswered -= frame.checks.length;
  }

  #giveUp(number: number, frame: PendingFrame, nowMs: number): void {
    this.#forget(number, frame);
    if (nowMs - frame.sentMs < SUSPECT_FRAME_AGE_MS) return;
    this.#unansweredInARow += 1;
    if (this.#unansweredInARow >= SUSPECT_AFTER_FRAMES) this.#suspectUntilMs = nowMs + SUSPECT_MS;
  }
}

function tokenOf(raw: string): string {
  return raw === "" || plainIdHash(raw, 0) >= 0 ? raw : encodeId(raw);
}

/** A whole frame was refused, in JSON. */
function refusalOf(reply: Uint8Array): ParlError {
  let cause: unknown;
  try {
    const error = errorFrom(JSON.parse(new TextDecoder().decode(reply)));
    if (error !== undefined) return error;
  } catch (mistake) {
    cause = mistake;
  }
  return new ParlError("PARL_INTERNAL", "the reply is neither packed nor a JSON error", { cause });
}
