/**
 * Takes operators' calls: writes each down, has it done where it belongs, writes down how it went, answers.
 *
 *      parl.admin.> ─▶ any process ─▶ audit "asked" ─▶ parl.shard.<p>.forget.… ─▶ homes of the dimensions
 *                                                  └─▶ parl.members.limited    ─▶ every process
 *                        answer ◀─ audit "ended" ◀──────────────────────────────┘
 *
 * Nothing is done unless its "asked" line is on disk. "Ended" repeats it and adds the outcome; a call whose
 * "ended" is missing, or ends "unknown", may or may not have been done. Who may call at all is the NATS
 * server's business (admin-request.ts): only what callers say of themselves is known here, and stands as
 * `claimedBy`.
 */
import { randomUUID } from "node:crypto";
import type { Msg, Subscription } from "@nats-io/transport-node";
import { ParlError } from "../core/errors.ts";
import { US_PER_MS } from "../core/units.ts";
import { encodeJson, errorBody } from "../core/wire-json.ts";
import { ADMIN_SUBJECTS, parseAdminRequest, type AdminRequest } from "./admin-request.ts";
import { callLimited, type LimitedOutcome, type LimitedScene } from "./limited-call.ts";
import { callReset, type ResetOutcome, type ResetScene } from "./reset-call.ts";

const QUEUE_GROUP = "parl-admin";
/** Calls at work; operators are few. */
const CALLS_MAX = 32;
const BUSY_RETRY_MS = 1_000;
const SUBJECT_LENGTH_MAX = 256;

type Entry = Readonly<Record<string, unknown>>;

/** Where calls are written down. */
export interface AuditTrail {
  /** Lines written, and lines that could not be. */
  readonly lines: number;
  readonly failures: number;
  /** @throws ParlError when it could not be; then nothing may be done */
  append(entry: Entry): Promise<void>;
}

export interface AdminDeskOptions extends ResetScene, LimitedScene {
  readonly region: string;
  readonly member: string;
  readonly audit: AuditTrail;
}

interface Told {
  readonly region: string;
  /** By which the audit log knows the call. */
  readonly call: string;
}
export type ResetAnswer = Told & ResetOutcome;
export type LimitedAnswer = Told & LimitedOutcome;

export class AdminDesk {
  /** Calls that were done, and calls that were refused or failed. */
  done = 0;
  refused = 0;

  readonly #options: AdminDeskOptions;
  readonly #subscription: Subscription;
  readonly #atWork = new Set<Promise<void>>();

  constructor(options: AdminDeskOptions) {
    this.#options = options;
    this.#subscription = options.connection.subscribe(ADMIN_SUBJECTS, {
      queue: QUEUE_GROUP,
      callback: (error, message) => {
        if (error === null) this.#take(message);
      },
    });
  }

  /** Takes no more calls; resolves when those at work have ended. */
  async drain(): Promise<void> {
    await this.#subscription.drain();
    await Promise.all(this.#atWork);
  }

  #take(message: Msg): void {
    if (this.#atWork.size >= CALLS_MAX) {
      this.refused += 1;
      respond(message, errorBody(busy()));
      return;
    }
    const work = this.#serve(message).finally(() => this.#atWork.delete(work));
    this.#atWork.add(work);
  }

  async #serve(message: Msg): Promise<void> {
    try {
      const answer = await this.#call(message.subject, message.data);
      this.done += 1;
      respond(message, answer);
    } catch (error) {
      this.refused += 1;
      respond(message, errorBody(asParlError(error)));
    }
  }

  /** One call, from "asked" to "ended". */
  async #call(subject: string, payload: Uint8Array): Promise<ResetAnswer | LimitedAnswer> {
    const { region, member } = this.#options;
    const call = randomUUID();
    let entry: Entry = { call, region, member, subject: subject.slice(0, SUBJECT_LENGTH_MAX) };
    try {
      const request = parseAdminRequest(subject, payload);
      entry = { ...entry, ...written(request) };
      await this.#write("asked", entry);
      const outcome = await this.#do(request);
      await this.#writeEnd({ ...entry, ...outcomeOf(outcome) });
      return { region, call, ...outcome };
    } catch (error) {
      const { code, message } = asParlError(error);
      const outcome = code === "PARL_DEADLINE_EXCEEDED" ? "unknown" : "refused";
      await this.#writeEnd({ ...entry, outcome, code, message });
      throw error;
    }
  }

  #do(request: AdminRequest): Promise<ResetOutcome | LimitedOutcome> {
    switch (request.kind) {
      case "reset":
        return callReset(this.#options, request);
      case "limited":
        return callLimited(this.#options, request);
    }
  }

  #write(phase: "asked" | "ended", entry: Entry): Promise<void> {
    const { audit, clock } = this.#options;
    const time = new Date(clock.wallUs() / US_PER_MS).toISOString();
    return audit.append({ time, phase, ...entry });
  }

  /** What was done stays done: a line that cannot be written any more is counted by the log. */
  async #writeEnd(entry: Entry): Promise<void> {
    await this.#write("ended", entry).catch(() => undefined);
  }
}

/** What an audit line repeats of a request; ids as tokens. */
function written(request: AdminRequest): Entry {
  const { kind, by, reason } = request;
  const said = { claimedBy: by, reason };
  if (kind === "limited") return { what: kind, top: request.top, ...said };
  const { tenant, key, user, policy } = request;
  return { what: kind, tenant, key, user: user === "" ? null : user, policy, ...said };
}

function outcomeOf(outcome: ResetOutcome | LimitedOutcome): Entry {
  if (!("resets" in outcome)) return { outcome: "done", members: outcome.members };
  const { resets, failures } = outcome;
  return { outcome: failures.length === 0 ? "done" : "partly done", resets, failures };
}

function respond(message: Msg, body: unknown): void {
  try {
    message.respond(encodeJson(body));
  } catch {
    // Leaving: the caller hears nothing, the audit log has it.
  }
}

function busy(): ParlError {
  const message = `${CALLS_MAX} operator calls are at work here; ask again when they are done`;
  return new ParlError("PARL_OVERLOADED", message, { retryAfterMs: BUSY_RETRY_MS });
}

function asParlError(error: unknown): ParlError {
  if (error instanceof ParlError) return error;
  return new ParlError("PARL_INTERNAL", `the call failed: ${String(error)}`, { cause: error });
}
