/** A shard actor without runtime or network: events go in, what it puts into the outbox is kept. */
import type { Outbox } from "../../actors/actor.ts";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { ShardActor } from "../../actors/shard-actor.ts";
import type { ShardEvent } from "../../actors/shard-event.ts";
import type { PolicyDocument } from "../../admission/policy.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { PackedReplyReader } from "../../core/packed-reply.ts";
import { micros } from "../../core/units.ts";
import { answersRead } from "../core/reply-answers.ts";
import { IDLE_PROCESS } from "./idle-process.ts";

export const SHARDS = 64;
/** A moment in 2023, in the middle of any window up to a day. */
export const NOW_US = 1_700_000_000_000_000;
const EPOCH = 7;

/** What NATS carries in one message unless configured otherwise. */
export const NATS_PAYLOAD_BYTES_MAX = 2 ** 20;

export interface Reply {
  readonly to: string;
  readonly payload: Uint8Array;
}

/** Policies from the lines of a policy file's list. */
export function policiesOf(...lines: string[]): PolicyDocument {
  const list = lines.map((line) => `  - { ${line} }\n`).join("");
  return parsePolicyText(`version: 1\npolicies:\n${list === "" ? "  []\n" : list}`, "test.yaml");
}

export class LoneShardActor implements Outbox {
  readonly actor: ShardActor;
  readonly replies: Reply[] = [];
  /** Messages to other processes. */
  readonly sent: { subject: string; payload: Uint8Array; replyTo: string }[] = [];
  nowUs = NOW_US;

  constructor(policies: PolicyDocument) {
    this.actor = new ShardActor({
      region: "eu",
      self: { member: "eu-test", incarnation: 1 },
      startedUs: micros(NOW_US),
      shards: SHARDS,
      secret: { high: 1, low: 2 },
      policies,
      budget: new MemoryBudget(Infinity),
      facts: () => IDLE_PROCESS,
    });
    for (let shard = 0; shard < SHARDS; shard += 1) this.open(shard);
  }

  open(shard: number, epoch = EPOCH): void {
    this.step({ kind: "shard-opened", shard, epoch, isJournalled: false });
  }

  reply(to: string, payload: Uint8Array): void {
    this.replies.push({ to, payload });
  }

  send(subject: string, payload: Uint8Array, replyTo: string): void {
    this.sent.push({ subject, payload, replyTo });
  }

  step(event: ShardEvent): void {
    this.actor.step(event, micros(this.nowUs), this);
  }

  /** The one reply to an event that is answered. */
  answer(event: ShardEvent): Uint8Array {
    const before = this.replies.length;
    this.step(event);
    if (this.replies.length !== before + 1) throw new Error(`${event.kind} was not answered once`);
    return (this.replies[before] as Reply).payload;
  }

  json(verb: "check" | "report" | "observe", tenant: string, key: string, request: unknown = {}): unknown {
    const payload = request instanceof Uint8Array ? request : utf8.encode(JSON.stringify(request));
    return jsonOf(
      this.answer({
        kind: "key-request",
        verb,
        isForwarded: false,
        tenant,
        key,
        payload,
        via: -1,
        replyTo: "r",
      }),
    );
  }

  frame(tenant: string, shard: number, payload: Uint8Array): Uint8Array {
    return this.answer({ kind: "packed-frame", tenant, shard, payload, via: shard, replyTo: "r" });
  }

  /** What it tells the operators' desk. */
  limited(): unknown {
    return jsonOf(this.answer({ kind: "inquiry", what: "limited", name: "", via: -1, replyTo: "r" }));
  }

  /** The state of everything, for "nothing changed". */
  region(): unknown {
    return jsonOf(this.answer({ kind: "inquiry", what: "member", name: "", via: -1, replyTo: "r" }));
  }
}

const utf8 = new TextEncoder();

function jsonOf(payload: Uint8Array): unknown {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
}

/** All answers of a packed reply as plain objects. */
export function itemsOf(payload: Uint8Array): Record<string, unknown>[] {
  const reader = new PackedReplyReader();
  reader.open(payload);
  return answersRead(reader);
}
