/**
 * The bucket as this member has seen it: the newest value of each key, and since when on its own clock.
 *
 * It is a view, never proof. Two keys of it need not ever have been true together: with one value kept per
 * key, a watch may show `owner.5` as of now beside `member.a` as of a moment ago. Whoever acts on it sends a
 * compare-and-set that fails if the view was old.
 */
import { ParlError } from "../../core/errors.ts";
import {
  parseCluster,
  parseKey,
  parseMember,
  parseOwner,
  type ClusterRecord,
  type MemberRecord,
  type OwnerRecord,
} from "./records.ts";

export interface ObservedMember {
  /** undefined = deleted, or never readable. */
  readonly record: MemberRecord | undefined;
  readonly revision: number;
  /** Monotonic time this revision was first seen. */
  readonly seenUs: number;
  /** How often this incarnation was seen renewed, not dead. */
  readonly renewals: number;
}

export interface ObservedOwner {
  readonly record: OwnerRecord | undefined;
  /** 0 = the key was never seen. */
  readonly revision: number;
  readonly isDeleted: boolean;
}

const NO_OWNER: ObservedOwner = { record: undefined, revision: 0, isDeleted: false };

export class ObservedBucket {
  readonly #shards: number;
  readonly members = new Map<string, ObservedMember>();
  #owners: ObservedOwner[];
  /** Monotonic time since which a shard was seen without an owner in this bucket; undefined = it has one. */
  readonly #ownerlessSinceUs: (number | undefined)[];
  cluster: ClusterRecord | undefined;
  clusterRevision = 0;
  isSynced = false;
  /** Records that could not be read, since the start. */
  badRecords = 0;

  constructor(shards: number) {
    this.#shards = shards;
    this.#owners = Array.from({ length: shards }, () => NO_OWNER);
    this.#ownerlessSinceUs = Array.from({ length: shards }, () => undefined);
  }

  owner(shard: number): ObservedOwner {
    return this.#owners[shard] as ObservedOwner;
  }

  ownerlessSinceUs(shard: number): number | undefined {
    return this.#ownerlessSinceUs[shard];
  }

  /** Takes in a newer value of a key. @returns whether it was one */
  note(key: string, revision: number, value: string | undefined, monotonicUs: number): boolean {
    const about = parseKey(key, this.#shards);
    switch (about?.kind) {
      case undefined:
        return false;
      case "cluster":
        if (revision <= this.clusterRevision) return false;
        this.clusterRevision = revision;
        // Keys are hashed under its secret: once known it stands, even if somebody deletes the record.
        if (value !== undefined) this.cluster ??= this.#parsed(parseCluster, value);
        return true;
      case "member":
        return this.#noteMember(about.id, revision, value, monotonicUs);
      case "owner":
        return this.#noteOwner(about.shard, revision, value, monotonicUs);
    }
  }

  /** Everything there was has been shown: shards not seen so far have no owner. */
  synced(monotonicUs: number): void {
    this.isSynced = true;
    for (let shard = 0; shard < this.#shards; shard += 1) this.#timeOwnerless(shard, monotonicUs);
  }

  /** Nobody else can hold a lease from before: shards without an owner need no waiting for. */
  presumeOwnerlessForEver(): void {
    for (let shard = 0; shard < this.#shards; shard += 1) {
      if (this.#ownerlessSinceUs[shard] !== undefined) this.#ownerlessSinceUs[shard] = -Infinity;
    }
  }

  /** Forgets the bucket; it is gone. */
  clear(): void {
    this.members.clear();
    this.#owners = Array.from({ length: this.#shards }, () => NO_OWNER);
    this.#ownerlessSinceUs.fill(undefined);
    this.cluster = undefined;
    this.clusterRevision = 0;
    this.isSynced = false;
  }

  #noteMember(id: string, revision: number, value: string | undefined, monotonicUs: number): boolean {
    const before = this.members.get(id);
    if (before !== undefined && revision <= before.revision) return false;
    // An unreadable value still is a newer revision: its holder is about, and will write over it.
    const record = value === undefined ? undefined : (this.#parsed(parseMember, value) ?? before?.record);
    const isRenewed =
      record !== undefined &&
      record.state !== "dead" &&
      before?.record?.state !== "dead" &&
      record.incarnation === before?.record?.incarnation;
    const renewals = isRenewed ? before.renewals + 1 : 0;
    this.members.set(id, { record, revision, seenUs: monotonicUs, renewals });
    return true;
  }

  #noteOwner(shard: number, revision: number, value: string | undefined, monotonicUs: number): boolean {
    const before = this.owner(shard);
    if (revision <= before.revision) return false;
    const isDeleted = value === undefined;
    const record = isDeleted ? undefined : (this.#parsed(parseOwner, value) ?? before.record);
    this.#owners[shard] = { record, revision, isDeleted };
    if (this.isSynced) this.#timeOwnerless(shard, monotonicUs);
    return true;
  }

  #timeOwnerless(shard: number, monotonicUs: number): void {
    const { record, revision, isDeleted } = this.owner(shard);
    const isOwnerless = record?.how === "vacant" || isDeleted || revision === 0;
    this.#ownerlessSinceUs[shard] = isOwnerless ? (this.#ownerlessSinceUs[shard] ?? monotonicUs) : undefined;
  }

  #parsed<Record>(parse: (text: string) => Record, text: string): Record | undefined {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      this.badRecords += 1;
      return undefined;
    }
  }
}
