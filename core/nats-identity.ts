/**
 * Who a process is to its NATS servers, written into their addresses:
 *
 *      nats://operator:secret@10.0.0.1:4222 ──▶ nats://10.0.0.1:4222, user operator, password secret
 *                                               replies arrive below _INBOX.operator
 *
 * The client library reads no names out of addresses, and an address with a password must not be printed. A
 * user has inboxes of its own, because whoever may listen to `_INBOX.>` reads everybody's answers
 * (deploy/nats/permissions.conf).
 */
import { invalidArgument } from "./errors.ts";

export interface NatsIdentity {
  /** Fit to be printed. */
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly inboxPrefix?: string;
}

const ADDRESS = /^([a-z]+:\/\/)?(?:([^@/]*)@)?(.*)$/;
/** It becomes a token of a subject. */
const USER = /^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$/;

/** @throws ParlError PARL_INVALID_ARGUMENT for a user that fits no subject, or for several of them */
export function natsIdentity(servers: readonly string[]): NatsIdentity {
  const parts = servers.map((server) => ADDRESS.exec(server) as RegExpExecArray);
  const plain = parts.map(([, scheme = "", , rest = ""]) => scheme + rest);
  const [first = "", ...others] = new Set(parts.map(([, , userInfo = ""]) => userInfo));
  if (others.length > 0)
    throw invalidArgument("nats", "addresses that all name the same user", plain.join(","));
  if (first === "") return { servers: plain };
  const colon = first.indexOf(":");
  const user = decoded(colon < 0 ? first : first.slice(0, colon));
  const pass = decoded(colon < 0 ? "" : first.slice(colon + 1));
  if (user === undefined || !USER.test(user)) {
    throw invalidArgument("nats", "addresses with a user of [A-Za-z0-9_-]{1,64}", user ?? plain.join(","));
  }
  if (pass === undefined) {
    throw invalidArgument("nats", "addresses whose password has % only as %25", plain.join(","));
  }
  return { servers: plain, user, pass, inboxPrefix: `_INBOX.${user}` };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
