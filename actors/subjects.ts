/**
 * The subjects of DESIGN §8 and what arrives on them.
 *
 *      published                        mapped by the region's server to
 *      parl.check.<tenant>.<key>        parl.shard.<p>.check.<tenant>.<key>
 *      parl.report.<tenant>.<key>       parl.shard.<p>.report.<tenant>.<key>
 *      parl.observe.key.<tenant>.<key>  parl.shard.<p>.observe.<tenant>.<key>
 *      parl.pack.<tenant>.<p>           parl.shard.<p>.pack.<tenant>
 *      parl.observe.region | .policy.<name> | .shard.<p>          (not mapped)
 *
 * A server without the mappings delivers the published form, and that is understood too. Between processes:
 *
 *      parl.shard.<p>.hop.<verb>.<tenant>.<key>     a request passed on to the home of its finest dimension
 *      parl.shard.<p>.state                         parl.observe.shard.<p>, passed on
 *      parl.members.observe                         every process of the region, about itself
 */
import { ParlError } from "../core/errors.ts";
import { KEY_VERBS, type Arrival, type KeyVerb, type Message } from "./shard-event.ts";

/** Everything any process of a region listens to, besides its shards. */
export const PUBLIC_SUBJECTS = ["parl.check.>", "parl.report.>", "parl.observe.>", "parl.pack.>"] as const;
/** What every process of a region answers about itself. */
export const CENSUS_SUBJECT = "parl.members.observe";
/** The question a census answers. */
export const REGION_SUBJECT = "parl.observe.region";

export function shardSubject(shard: number): string {
  return `parl.shard.${shard}.>`;
}

export function hopSubject(shard: number, verb: KeyVerb, tenant: string, key: string): string {
  return `parl.shard.${shard}.hop.${verb}.${tenant}.${key}`;
}

export function packSubject(shard: number, tenant: string): string {
  return `parl.shard.${shard}.pack.${tenant}`;
}

/** Where the home of a shard's keys is asked for rights. */
export function borrowSubject(shard: number): string {
  return `parl.shard.${shard}.borrow`;
}

/** Where a process hears of rights it has asked for, or should give back. */
export function loanSubject(member: string, kind: "grant" | "recall"): string {
  return `parl.member.${member}.${kind}`;
}

export function shardStateSubject(shard: number): string {
  return `parl.shard.${shard}.state`;
}

/** The event of one message. Whatever fits no form is `misdirected`, to be told so. */
export function eventOf(subject: string, payload: Uint8Array, replyTo: string): Message {
  const [, place = "", ...rest] = subject.split(".");
  const event =
    place === "shard"
      ? atShard(rest.slice(1), payload, { via: Number(rest[0]), replyTo })
      : atLarge([place, ...rest], payload, { via: -1, replyTo });
  return event ?? { kind: "misdirected", subject, via: -1, replyTo };
}

function atShard(tokens: readonly string[], payload: Uint8Array, arrival: Arrival): Message | undefined {
  const [verb = "", tenant = "", key = ""] = tokens;
  switch (tokens.length) {
    case 1:
      if (verb === "borrow") return { kind: "borrow", payload, ...arrival };
      if (verb !== "state") return undefined;
      return { kind: "inquiry", what: "shard", name: String(arrival.via), ...arrival };
    case 2:
      if (verb !== "pack") return undefined;
      return { kind: "packed-frame", tenant, shard: arrival.via, payload, ...arrival };
    case 3:
      if (verb === "forget") return { kind: "forget", of: { tenant, key }, payload, ...arrival };
      if (!isKeyVerb(verb)) return undefined;
      return { kind: "key-request", verb, isForwarded: false, tenant, key, payload, ...arrival };
    case 4: {
      const [hop, hopVerb = "", hopTenant = "", hopKey = ""] = tokens;
      if (hop !== "hop" || !isKeyVerb(hopVerb)) return undefined;
      const ids = { tenant: hopTenant, key: hopKey };
      return { kind: "key-request", verb: hopVerb, isForwarded: true, ...ids, payload, ...arrival };
    }
    default:
      return undefined;
  }
}

function atLarge(tokens: readonly string[], payload: Uint8Array, arrival: Arrival): Message | undefined {
  const [verb = "", first = "", second = "", third = ""] = tokens;
  switch (tokens.length) {
    case 2:
      if (verb === "members" && first === "limited") {
        return { kind: "inquiry", what: "limited", name: "", ...arrival };
      }
      if (!(verb === "observe" && first === "region") && !(verb === "members" && first === "observe")) {
        return undefined;
      }
      return { kind: "inquiry", what: "member", name: "", ...arrival };
    case 3:
      if (verb === "check" || verb === "report") {
        return {
          kind: "key-request",
          verb,
          isForwarded: false,
          tenant: first,
          key: second,
          payload,
          ...arrival,
        };
      }
      if (verb === "pack") {
        return { kind: "packed-frame", tenant: first, shard: Number(second), payload, ...arrival };
      }
      if (verb !== "observe" || (first !== "policy" && first !== "shard")) return undefined;
      return { kind: "inquiry", what: first, name: second, ...arrival };
    case 4: {
      if (verb !== "observe" || first !== "key") return undefined;
      const ids = { tenant: second, key: third };
      return { kind: "key-request", verb, isForwarded: false, ...ids, payload, ...arrival };
    }
    default:
      return undefined;
  }
}

function isKeyVerb(verb: string): verb is KeyVerb {
  return (KEY_VERBS as readonly string[]).includes(verb);
}

/** What whoever wrote to a subject of no form is told. */
export function misdirected(subject: string): ParlError {
  const message = `no such subject: ${subject}; ask on parl.check.<tenant>.<key>, parl.report.<tenant>.<key> or parl.observe.<what>`;
  return new ParlError("PARL_INVALID_ARGUMENT", message, {
    field: subject.startsWith("parl.check.") ? "key" : "subject",
  });
}
