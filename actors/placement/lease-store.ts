/**
 * The lease bucket of a region: a JetStream key-value bucket in memory, one value a key.
 *
 *      cas ──▶ publish, "last revision of this key is n" ──▶ ok(revision) · conflict · unknown
 *      watch ◀── entries, synced ──────────────────────────── KV_PARL_<region>
 *            ◀── bucket-lost, then the next one's entries ─── made by whoever comes first
 *
 * In memory, because a full disk must not stop renewals; so the bucket goes with its server, and is looked
 * for twice a second and at every reconnect. Its revisions start at the microsecond it is made (`first_seq`),
 * or above all that were ever epochs, should a clock have gone back: they ascend from bucket to bucket, and a
 * compare-and-set meant for one never fits another.
 *
 * Once a bucket is known to be lost nothing sent to it is answered `ok` any more. No method rejects or throws.
 */
import {
  DiscardPolicy,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamClient,
  type JetStreamManager,
  type StreamInfo,
} from "@nats-io/jetstream";
import { Kvm, type KvWatchEntry } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { ParlError } from "../../core/errors.ts";
import { isConflict } from "../jetstream-conflict.ts";
import type { BucketEntry, CasAnswer } from "./placement-event.ts";

/** A quarter of the TTL: a renewal may go unanswered twice before the lease is over. */
const TIMEOUT_MS = 500;
const LOOK_EVERY_MS = 500;
/** More than are ever written to a bucket between the last that was seen of it and its loss. */
const REVISIONS_UNSEEN = 1_000_000;
const UNKNOWN: CasResult = { outcome: "unknown", revision: 0 };

export type CasResult = Pick<CasAnswer, "outcome" | "revision">;

export type LeaseEvent = BucketEntry | { readonly kind: "synced" } | { readonly kind: "bucket-lost" };

export interface LeaseStoreOptions {
  readonly connection: NatsConnection;
  /** By which this process is asked, if that is another: while it is cut nothing is renewed, so that others take over. */
  readonly traffic?: NatsConnection;
  readonly region: string;
  /** The system's wall clock in microseconds; where the revisions of a new bucket start. */
  readonly wallUs: () => number;
  /** The latest epoch written down outside of buckets, which outlives them. Rejects when it cannot be had. */
  readonly epochWritten?: () => Promise<number>;
  /** How long an answer may take, at most 1,000 ms. */
  readonly timeoutMs?: number;
  readonly lookEveryMs?: number;
  /** Servers that keep a copy; 1 when absent. */
  readonly replicas?: number;
  /** Told what keeps the bucket from being used, and what a listener threw. */
  readonly onTrouble?: (error: unknown) => void;
}

/** One bucket, from when it was found until it is known to be lost. */
interface Bucket {
  /** When its stream was made, as the server tells it: no two are the same. */
  readonly created: string;
  readonly lost: Promise<typeof UNKNOWN>;
  readonly lose: () => void;
}

export class LeaseStore {
  readonly bucketName: string;
  readonly #options: LeaseStoreOptions;
  readonly #timeoutMs: number;
  readonly #client: JetStreamClient;
  #manager: Promise<JetStreamManager> | undefined;
  #bucket: Bucket | undefined;
  #listener: ((event: LeaseEvent) => void) | undefined;
  /** Ends the watch under way. */
  #endWatch: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isConnected: boolean;
  /** Whether this process can be asked at all. */
  #isReachable = true;
  #revisionMax = 0;
  /** Answers awaited. */
  #awaited = 0;

  constructor(options: LeaseStoreOptions) {
    this.#options = options;
    this.bucketName = `PARL_${options.region}`;
    this.#timeoutMs = Math.min(1_000, options.timeoutMs ?? TIMEOUT_MS);
    this.#client = jetstream(options.connection, { timeout: this.#timeoutMs });
    this.#isConnected = !options.connection.isClosed();
  }

  /** Stores a value if the key's last revision is the expected one, 0 for none. */
  async cas(key: string, value: string, expectedRevision: number): Promise<CasResult> {
    const bucket = this.#bucket;
    // Sent while disconnected it would wait in the client and arrive when nobody counts on it any more.
    if (bucket === undefined || !this.#isConnected || !this.#isReachable) return UNKNOWN;
    this.#awaited += 1;
    const result = await Promise.race([this.#store(key, value, expectedRevision), bucket.lost]);
    this.#awaited -= 1;
    this.#revisionMax = Math.max(this.#revisionMax, result.revision);
    return bucket === this.#bucket ? result : UNKNOWN;
  }

  get isWriting(): boolean {
    return this.#awaited > 0;
  }

  /** Finds or makes the bucket and shows it to `listener`: its entries, `synced`, then every change. */
  watch(listener: (event: LeaseEvent) => void): void {
    this.#listener = listener;
    void this.#followConnection(listener);
    void this.#followTraffic(listener);
    this.#timer = setInterval(() => this.#look(), this.#options.lookEveryMs ?? LOOK_EVERY_MS);
    this.#look();
  }

  /** Tells nothing any more and answers nothing; the bucket stays. */
  unwatch(): void {
    this.#listener = undefined;
    clearInterval(this.#timer);
    this.#endWatch?.();
    this.#bucket?.lose();
    this.#bucket = undefined;
  }

  async #store(key: string, value: string, expectedRevision: number): Promise<CasResult> {
    try {
      const ack = await this.#client.publish(`$KV.${this.bucketName}.${key}`, value, {
        expect: { lastSubjectSequence: expectedRevision },
        timeout: this.#timeoutMs,
      });
      return { outcome: "ok", revision: ack.seq };
    } catch (error) {
      if (isConflict(error)) return { outcome: "conflict", revision: 0 };
      // Nobody takes messages of the bucket: it may be gone.
      if (error instanceof Error && error.name === "JetStreamNotEnabled") this.#look();
      return UNKNOWN;
    }
  }

  async #followConnection(listener: (event: LeaseEvent) => void): Promise<void> {
    for await (const { type } of this.#options.connection.status()) {
      if (this.#listener !== listener) return;
      if (type === "disconnect" || type === "close") {
        this.#isConnected = false;
        // Left to itself it might go on in another bucket.
        this.#endWatch?.();
      } else if (type === "reconnect") {
        this.#isConnected = true;
        this.#look();
      }
    }
  }

  async #followTraffic(listener: (event: LeaseEvent) => void): Promise<void> {
    const { traffic } = this.#options;
    this.#isReachable = true;
    if (traffic === undefined) return;
    for await (const { type } of traffic.status()) {
      if (this.#listener !== listener) return;
      if (type === "disconnect" || type === "close") this.#isReachable = false;
      else if (type === "reconnect") this.#isReachable = true;
    }
  }

  /** Makes sure that the bucket there is is the one that is watched. */
  #look(): void {
    if (this.#isLooking || !this.#isConnected || this.#listener === undefined) return;
    this.#isLooking = true;
    void this.#lookAndWatch()
      .catch((error: unknown) => this.#trouble(error))
      .finally(() => {
        this.#isLooking = false;
      });
  }

  async #lookAndWatch(): Promise<void> {
    const manager = await this.#managed();
    const { created, config } = (await this.#info(manager)) ?? (await this.#make(manager));
    if (this.#listener === undefined) return;
    // One made by others has none: revisions from 1, and epochs with them.
    if (!(config.first_seq > 1) || config.allow_direct) throw this.#notOurs();
    if (created !== this.#bucket?.created) this.#begin(created);
    if (this.#endWatch === undefined) await this.#watchBucket(manager, created);
  }

  #begin(created: string): void {
    const before = this.#bucket;
    const { promise, resolve } = Promise.withResolvers<typeof UNKNOWN>();
    this.#bucket = { created, lost: promise, lose: () => resolve(UNKNOWN) };
    this.#endWatch?.();
    if (before === undefined) return;
    before.lose();
    this.#tell({ kind: "bucket-lost" });
  }

  async #watchBucket(manager: JetStreamManager, created: string): Promise<void> {
    const bucket = await new Kvm(this.#client).open(this.bucketName, { allow_direct: false });
    const entries = await bucket.watch();
    // The watch belongs to this bucket if the bucket was there before and is there after.
    const info = await this.#info(manager);
    if (info?.created !== created || !this.#isConnected || this.#listener === undefined) {
      entries.stop();
      return;
    }
    const end = (): void => {
      if (this.#endWatch === end) this.#endWatch = undefined;
      entries.stop();
    };
    this.#endWatch = end;
    void this.#forward(entries, end, info.state.messages === 0);
  }

  async #forward(entries: AsyncIterable<KvWatchEntry>, end: () => void, isEmpty: boolean): Promise<void> {
    let isSynced = isEmpty;
    if (isSynced) this.#tell({ kind: "synced" });
    try {
      for await (const entry of entries) {
        if (this.#endWatch !== end) return;
        const { key, revision } = entry;
        this.#revisionMax = Math.max(this.#revisionMax, revision);
        this.#tell({ kind: "entry", key, revision, value: valueOf(entry) });
        if (!isSynced && entry.delta === 0) {
          isSynced = true;
          this.#tell({ kind: "synced" });
        }
      }
    } catch (error) {
      this.#trouble(error);
    }
    end();
  }

  async #info(manager: JetStreamManager): Promise<StreamInfo | undefined> {
    try {
      return await manager.streams.info(`KV_${this.bucketName}`);
    } catch (error) {
      if (isApiError(error, JetStreamApiCodes.StreamNotFound)) return undefined;
      throw error;
    }
  }

  /** Makes the bucket, or finds that somebody else was first. */
  async #make(manager: JetStreamManager): Promise<StreamInfo> {
    const before = await this.#latestBefore();
    try {
      return await manager.streams.add({
        name: `KV_${this.bucketName}`,
        subjects: [`$KV.${this.bucketName}.>`],
        storage: StorageType.Memory,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.New,
        max_msgs_per_subject: 1,
        allow_rollup_hdrs: true,
        allow_direct: false,
        num_replicas: this.#options.replicas ?? 1,
        first_seq: Math.max(Math.floor(this.#options.wallUs()), before + REVISIONS_UNSEEN),
      });
    } catch (error) {
      const info = await this.#info(manager);
      if (info === undefined) throw error;
      return info;
    }
  }

  /** Of any bucket before, as far as is known; the clock alone may have been ahead then. */
  async #latestBefore(): Promise<number> {
    const { epochWritten = () => Promise.resolve(0) } = this.#options;
    try {
      return Math.max(this.#revisionMax, await epochWritten());
    } catch (error) {
      // Whoever has seen the last bucket knows as much, and leases run while it is missing.
      if (this.#revisionMax > 0) return this.#revisionMax;
      throw error;
    }
  }

  #managed(): Promise<JetStreamManager> {
    this.#manager ??= jetstreamManager(this.#options.connection, {
      checkAPI: false,
      timeout: this.#timeoutMs,
    });
    return this.#manager;
  }

  #tell(event: LeaseEvent): void {
    try {
      this.#listener?.(event);
    } catch (error) {
      this.#trouble(error);
    }
  }

  #trouble(error: unknown): void {
    // With the server away every look fails, and the connection says so already.
    if (this.#isConnected && this.#listener !== undefined) this.#options.onTrouble?.(error);
  }

  #notOurs(): ParlError {
    const message = `the bucket ${this.bucketName} was made by something else (its revisions do not start at a time); delete it, it is made anew: nats kv del ${this.bucketName}`;
    return new ParlError("PARL_UNAVAILABLE", message, { field: "bucket" });
  }
}

function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}

function valueOf(entry: KvWatchEntry): string | undefined {
  return entry.operation === "PUT" ? entry.string() : undefined;
}
