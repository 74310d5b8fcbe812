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
 * A server without the mappings delivers the published form, and that is understood too.
 */
import type { ShardEvent } from "./shard-event.ts";

/** Everything a region's shard actor listens to, besides its shards. */
export const PUBLIC_SUBJECTS = ["parl.check.>", "parl.report.>", "parl.observe.>", "parl.pack.>"] as const;

export function shardSubject(shard: number): string {
  return `parl.shard.${shard}.>`;
}

/** The event of one message. Whatever fits no form is `misdirected`, to be told so. */
export function eventOf(subject: string, payload: Uint8Array, replyTo: string): ShardEvent {
  const tokens = subject.split(".");
  const isMapped = tokens[1] === "shard";
  const shard = isMapped ? tokens[2] : tokens[3];
  const [verb = "", ...rest] = isMapped ? tokens.slice(3) : tokens.slice(1);
  const [first = "", second = "", third = ""] = rest;
  if (rest.length === 2 && (verb === "check" || verb === "report")) {
    return { kind: "key-request", verb, tenant: first, key: second, payload, replyTo };
  }
  if (verb === "pack" && rest.length === (isMapped ? 1 : 2)) {
    return { kind: "packed-frame", tenant: first, shard: Number(shard), payload, replyTo };
  }
  if (verb === "observe") {
    if (isMapped) return { kind: "key-request", verb, tenant: first, key: second, payload, replyTo };
    if (first === "key" && rest.length === 3) {
      return { kind: "key-request", verb, tenant: second, key: third, payload, replyTo };
    }
    if (first === "region" && rest.length === 1) return { kind: "inquiry", what: first, name: "", replyTo };
    if ((first === "policy" || first === "shard") && rest.length === 2) {
      return { kind: "inquiry", what: first, name: second, replyTo };
    }
  }
  return { kind: "misdirected", subject, replyTo };
}
