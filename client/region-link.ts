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
 * Every check waits until its deadline and a few milliseconds at most beyond, which is how often the pending
 * frames are looked over. A region that let several frames in a row go unanswered is left alone for a second,
 * then tried again.
 *
 * Nothing here decides what a missing answer means: `failed` is told, with a typed error that says whether
 * the check can have been charged (deadline exceeded) or not (unavailable).
 */
import { createInbox, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { ParlError } from "../core/errors.ts";
import { epochIn, PackedReplyReader } from "../core/packed-reply.ts";
import { PackedRequestWriter } from "../core/packed-request.ts";
import { errorFrom } from "../core/wire-json.ts";
import type { AskedCheck, TenantLane } from "./asked-check.ts";
import type { CheckResult } from "./check.ts";
import { Frame, type Cohort, type Destination, type Take } from "./frame.ts";
import { ShardDecision, type FrameFacts } from "./shard-decision.ts";

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
/** Owners change and differ from shard to shard: what one said binds no other. */
const EPOCH_UNKNOWN = 0;
const STATUS_NO_RESPONDERS = 503;
const JSON_START = "{".charCodeAt(0);

/** Where the checks for one destination are packed, frame after frame. */
interface Batch {
  readonly destination: Destination;
  readonly subject: string;
  readonly writer: PackedRequestWriter;
  /** Undefined while it is empty. */
  frame: Frame | undefined;
  /** Whether the batch is among those to be sent at the end of the tick. */
  isOpen: boolean;
}

/** Who is told how a check ended, when its caller is about to be. */
export interface CheckEvents {
  decided(): void;
  /** The region gave no decision: what the caller is told, or where the check is asked instead. */
  failed(
    link: RegionLink,
    cohort: Cohort,
    index: number,
    error: ParlError,
  ): CheckResult | Promise<CheckResult>;
}

export class RegionLink {
  readonly region: string;
  /** Replies of owners that had been replaced by then, left unread. */
  outdatedReplies = 0;
  readonly #connection: NatsConnection;
  readonly #events: CheckEvents;
  readonly #checksPerMessageMax: number;
  readonly #inbox: string;
  /** By tenant, then by shard and kind. Between flushes all are empty and may be forgotten. */
  readonly #batches = new Map<TenantLane, (Batch | undefined)[]>();
  readonly #open: Batch[] = [];
  readonly #frames = new Map<number, Frame>();
  /** Checks in open batches, and in frames that were sent. */
  #packed = 0;
  #unanswered = 0;
  #isTickEnding = false;
  #lingerTimer: NodeJS.Timeout | undefined;
  /** Of each shard's owner, the latest heard of. */
  readonly #epochs: number[] = [];
  readonly #reader = new PackedReplyReader();
  /** The frame whose reply is open, and what its decisions have in common. */
  #frameRead: Frame | undefined;
  #facts: FrameFacts | undefined;
  #frameNumber = 0;
  #deadlineTimer: NodeJS.Timeout | undefined;
  #unansweredInARow = 0;
  /** When any shard of the region last answered. */
  #answeredMs = 0;
  #suspectUntilMs = 0;
  #isConnected = true;
  #isClosed = false;

  constructor(
    region: string,
    connection: NatsConnection,
    events: CheckEvents,
    checksPerMessageMax = Infinity,
    inboxPrefix?: string,
  ) {
    this.region = region;
    this.#connection = connection;
    this.#events = events;
    this.#checksPerMessageMax = checksPerMessageMax;
    this.#inbox = createInbox(inboxPrefix);
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#onReply(message);
      },
    });
    void this.#followStatus();
  }

  /** Whether it is worth asking this region now. */
  isUsable(nowMs: number): boolean {
    return this.#isConnected && nowMs >= this.#suspectUntilMs;
  }

  /** Packs a check; the promise follows its answer, and what `failed` makes of none. */
  add(check: AskedCheck): Promise<CheckResult> {
    const batch = this.#batchFor(check);
    const { writer } = batch;
    if (!writer.hasRoom || writer.count === this.#checksPerMessageMax) this.#send(batch);
    if (!batch.isOpen) {
      batch.isOpen = true;
      this.#open.push(batch);
    }
    this.#packed += 1;
    this.#scheduleTickEnd();
    writer.add(check.tier, check.cost, check.key, check.user, check.id);
    batch.frame ??= new Frame(batch.destination, this.#take);
    return batch.frame.join(check);
  }

  /** Sends what is packed, waits for it to leave, and fails what is still unanswered. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#flush();
    clearInterval(this.#deadlineTimer);
    const error = closedError();
    for (const frame of this.#frames.values()) {
      this.#forget(frame);
      frame.end(error);
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
    for (const frame of this.#frames.values()) {
      this.#forget(frame);
      frame.end(error);
    }
  }

  #batchFor({ kind, lane, shard }: AskedCheck): Batch {
    let batches = this.#batches.get(lane);
    if (batches === undefined) {
      batches = [];
      this.#batches.set(lane, batches);
    }
    const place = 2 * shard + (kind === "check" ? 0 : 1);
    const known = batches[place];
    if (known !== undefined) return known;
    const batch = {
      destination: { kind, lane, shard },
      subject: `parl.pack.${lane.token}.${shard}`,
      writer: new PackedRequestWriter(kind),
      frame: undefined,
      isOpen: false,
    };
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
      this.#send(batch);
    }
    this.#open.length = 0;
    if (this.#batches.size > LANES_KEPT) this.#batches.clear();
  };

  #send(batch: Batch): void {
    const { frame, subject } = batch;
    if (frame === undefined) return;
    batch.frame = undefined;
    const message = batch.writer.take(this.#epochs[batch.destination.shard] ?? EPOCH_UNKNOWN);
    frame.message = message;
    frame.sentMs = performance.now();
    this.#frameNumber += 1;
    frame.number = this.#frameNumber;
    this.#frames.set(frame.number, frame);
    this.#unanswered += frame.count;
    this.#deadlineTimer ??= setInterval(() => this.#scanDeadlines(), DEADLINE_SCAN_MS);
    try {
      this.#connection.publish(subject, message, { reply: `${this.#inbox}.${frame.number}` });
    } catch (cause) {
      this.#forget(frame);
      frame.end(new ParlError("PARL_UNAVAILABLE", `nothing can be sent to region ${this.region}`, { cause }));
    }
  }

  #onReply(message: Msg): void {
    const number = Number(message.subject.slice(this.#inbox.length + 1));
    const frame = this.#frames.get(number);
    if (frame === undefined || this.#isOutdated(frame, message.data)) return;
    this.#forget(frame);
    if (this.#packed > 0) this.#scheduleTickEnd();
    if (message.data.length === 0 && message.headers?.code === STATUS_NO_RESPONDERS) {
      const text = `no actor answers for this shard in region ${this.region}`;
      frame.end(new ParlError("PARL_UNAVAILABLE", text));
      return;
    }
    this.#unansweredInARow = 0;
    this.#answeredMs = performance.now();
    if (message.data[0] === JSON_START) {
      frame.end(refusalOf(message.data));
      return;
    }
    frame.reply = message.data;
    frame.end(undefined);
  }

  /** Whether a packed reply comes from an owner that another has replaced: the other one answers too. */
  #isOutdated({ destination }: Frame, reply: Uint8Array): boolean {
    const epoch = epochIn(reply);
    const known = this.#epochs[destination.shard] ?? EPOCH_UNKNOWN;
    if (epoch > known) this.#epochs[destination.shard] = epoch;
    if (!(epoch < known)) return false;
    this.outdatedReplies += 1;
    return true;
  }

  readonly #take: Take = (cohort, index, failure) => {
    const error = failure ?? this.#read(cohort.frame);
    if (error !== undefined) return this.#events.failed(this, cohort, index, error);
    const reader = this.#reader;
    if (index >= reader.count) {
      const message = "the packed reply has fewer answers than asked for";
      return this.#events.failed(this, cohort, index, new ParlError("PARL_INTERNAL", message));
    }
    reader.select(index);
    if (reader.kind === "moved") return this.#follow(cohort, index, reader.shard);
    if (reader.kind === "error") return this.#events.failed(this, cohort, index, itemError(reader));
    this.#events.decided();
    return new ShardDecision(reader, index, cohort.tier, this.#facts as FrameFacts);
  };

  /** Opens the frame's reply unless it is open: those who wait for one frame come one after another. */
  #read(frame: Frame): ParlError | undefined {
    if (frame === this.#frameRead) return undefined;
    this.#frameRead = undefined;
    try {
      this.#reader.open(frame.reply as Uint8Array);
    } catch (error) {
      return error as ParlError;
    }
    const { decidedUs, sequence, epoch } = this.#reader;
    this.#facts = { region: this.region, decidedUs, sequence, epoch };
    this.#frameRead = frame;
    return undefined;
  }

  /** The key's home is another shard: asks there, once. */
  #follow(cohort: Cohort, index: number, shard: number): CheckResult | Promise<CheckResult> {
    if (cohort.moves > 0) {
      const message = `the key's home moved twice; are --shards equal in client and region ${this.region}?`;
      return this.#events.failed(this, cohort, index, new ParlError("PARL_NOT_OWNER", message));
    }
    if (this.#isClosed) return this.#events.failed(this, cohort, index, closedError());
    return this.add({ ...cohort.askedAt(index), shard, moves: 1 });
  }

  #scanDeadlines(): void {
    const nowMs = performance.now();
    for (const frame of this.#frames.values()) {
      if (frame.nextDeadlineMs > nowMs) continue;
      const message = `region ${this.region} did not answer in time; the check may have been charged`;
      const error = new ParlError("PARL_DEADLINE_EXCEEDED", message);
      if (frame.expire(nowMs, error)) this.#giveUp(frame, nowMs);
    }
    if (this.#frames.size > 0) return;
    clearInterval(this.#deadlineTimer);
    this.#deadlineTimer = undefined;
  }

  #forget(frame: Frame): void {
    this.#frames.delete(frame.number);
    this.#unanswered -= frame.count;
  }

  #giveUp(frame: Frame, nowMs: number): void {
    this.#forget(frame);
    if (nowMs - frame.sentMs < SUSPECT_FRAME_AGE_MS) return;
    // The region has answered others meanwhile: this says something about one shard's owner only.
    if (this.#answeredMs > frame.sentMs) return;
    this.#unansweredInARow += 1;
    if (this.#unansweredInARow >= SUSPECT_AFTER_FRAMES) this.#suspectUntilMs = nowMs + SUSPECT_MS;
  }
}

function closedError(): ParlError {
  return new ParlError("PARL_UNAVAILABLE", "the client was closed before the answer came");
}

function itemError({ errorCode, errorField, text, waitUs }: PackedReplyReader): ParlError {
  return new ParlError(errorCode, text ?? "the shard gave no reason", {
    ...(waitUs > 0 && { retryAfterMs: waitUs / 1_000 }),
    ...(errorField !== null && { field: errorField }),
  });
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
