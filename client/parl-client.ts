/**
 * The SDK: `check` from any number of places at once, one packed message per shard and tick underneath.
 *
 *      const parl = await connectParl({ regions: [{ name: "eu", servers: ["nats://127.0.0.1:4222"] }] });
 *      const { allowed, retryAfterUs } = await parl.check({ tenant: "acme", key: "alice" });
 *
 * Regions are tried in order: a check goes to the first that is usable, and on to the next when nobody can
 * have charged it. When an answer is lost, whether it was charged is unknown; then the check is not repeated
 * elsewhere and `onFailure` decides.
 */
import { natsIdentity } from "../core/nats-identity.ts";
import { TIERS, type Tier } from "../core/decision.ts";
import { invalidArgument, ParlError } from "../core/errors.ts";
import { fnv1aString } from "../core/fnv1a.ts";
import { encodeId, plainIdHash } from "../core/id.ts";
import { finestToken, SHARDS_DEFAULT } from "../core/key.ts";
import { COST_MAX, type FrameKind } from "../core/packed-request.ts";
import type { AskedCheck, TenantLane } from "./asked-check.ts";
import { blindResult, type CheckRequest, type CheckResult, type OnFailure } from "./check.ts";
import { connectRegion, type RegionAddress } from "./connect-region.ts";
import type { Cohort } from "./frame.ts";
import { RegionLink, type CheckEvents } from "./region-link.ts";
import { retryDelayMs } from "./retry-delay.ts";

const DEADLINE_MS_DEFAULT = 500;
/** Beyond this many unanswered checks more waiting helps nobody. */
const IN_FLIGHT_MAX_DEFAULT = 262_144;
const TENANT_DEFAULT = "default";
/** Tenants remembered; beyond that the cache starts over. */
const LANES_MAX = 4_096;

export interface ParlClientOptions {
  /** Home region first, then where to go when it is down. */
  readonly regions: readonly RegionAddress[];
  /** Tenant of checks that name none. */
  readonly tenant?: string;
  readonly deadlineMs?: number;
  /** Default "throw". */
  readonly onFailure?: OnFailure;
  /** Checks under way at most; more fail with PARL_OVERLOADED. */
  readonly maxInFlight?: number;
  /** Checks packed into one message at most; 1 sends every check by itself. */
  readonly checksPerMessageMax?: number;
  /** Shards per region, as configured there. */
  readonly shards?: number;
}

/** Connects to the home region, or to any that answers when home does not, and goes on trying the others. @throws ParlError when none does */
export async function connectParl(options: ParlClientOptions): Promise<ParlClient> {
  if (options.regions.length === 0) throw invalidArgument("regions", "at least one region", options.regions);
  const client = new ParlClient(options);
  await client.connected();
  return client;
}

export class ParlClient implements CheckEvents {
  /** Checks that `onFailure` answered because no shard did. */
  blindDecisions = 0;

  readonly #options: ParlClientOptions;
  /** By position in the options; undefined while not yet connected. */
  readonly #links: (RegionLink | undefined)[];
  readonly #connecting: Promise<void>[];
  /** Tenants seen, by raw id. */
  readonly #lanes = new Map<string, TenantLane>();
  readonly #tenant: string;
  readonly #deadlineMs: number;
  readonly #inFlightMax: number;
  readonly #shards: number;
  /** Whether `onFailure` is to be shown the requests. */
  readonly #isShown: boolean;
  #inFlight = 0;
  #isClosed = false;
  #tickMs = 0;

  /** Use `connectParl`. */
  constructor(options: ParlClientOptions) {
    this.#options = options;
    this.#tenant = options.tenant ?? TENANT_DEFAULT;
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS_DEFAULT;
    this.#inFlightMax = options.maxInFlight ?? IN_FLIGHT_MAX_DEFAULT;
    this.#shards = options.shards ?? SHARDS_DEFAULT;
    this.#isShown = typeof options.onFailure === "function";
    this.#links = options.regions.map(() => undefined);
    this.#connecting = options.regions.map((_, position) => this.#connect(position));
    // Whoever awaits `connected` hears of a failure; a region that stays down is tried again by itself.
    for (const attempt of this.#connecting) attempt.catch(() => undefined);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Resolves when one region is connected; closes and rejects when none can be. */
  async connected(): Promise<void> {
    try {
      // Home first, so that the first check is asked there; any other when home cannot be had.
      await this.#connecting[0]?.catch(() => Promise.any(this.#connecting));
    } catch (error) {
      await this.close();
      throw (error as AggregateError).errors[0];
    }
  }

  /** Regions that can be asked now, in order of preference. */
  usableRegions(): string[] {
    const nowMs = performance.now();
    return this.#links.flatMap((link) => (link?.isUsable(nowMs) === true ? [link.region] : []));
  }

  /** Asks whether `request` may pass. Rejects with a ParlError for bad input, or when `onFailure` is "throw". */
  check(request: CheckRequest): Promise<CheckResult> {
    return this.#ask("check", request);
  }

  /** Charges usage that already happened; give it an `id` so that a repeated report is charged once. */
  report(request: CheckRequest): Promise<CheckResult> {
    return this.#ask("report", request);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#links.map(async (link) => link?.close()));
  }

  decided(): void {
    this.#inFlight -= 1;
  }

  failed(
    link: RegionLink,
    cohort: Cohort,
    index: number,
    error: ParlError,
  ): CheckResult | Promise<CheckResult> {
    // A lost answer may have been charged; asking elsewhere could charge twice.
    const isUncharged = error.isRetryable() && error.code !== "PARL_DEADLINE_EXCEEDED";
    if (isUncharged && !this.#isClosed) {
      const check = { ...cohort.askedAt(index), moves: 0 };
      const elsewhere = this.#send(check, this.#links.indexOf(link) + 1);
      if (elsewhere !== undefined) return elsewhere;
    }
    this.#inFlight -= 1;
    return this.#undecided(error, cohort.tier, cohort.requestAt(index));
  }

  /** What the caller is told when no shard decided. @throws what the promise is rejected with */
  #undecided(error: ParlError, tier: Tier, request: CheckRequest | undefined): CheckResult {
    const { onFailure = "throw" } = this.#options;
    if (onFailure === "throw" || error.isCallersFault()) throw error;
    this.blindDecisions += 1;
    const verdict =
      typeof onFailure === "function"
        ? onFailure({ request: request as CheckRequest, error })
        : onFailure === "allow";
    return typeof verdict === "boolean" ? blindResult(verdict, tier) : verdict;
  }

  #ask(kind: FrameKind, request: CheckRequest): Promise<CheckResult> {
    try {
      const check = this.#described(kind, request);
      const refusal = this.#refusal();
      if (refusal === undefined) {
        const answer = this.#send(check, 0);
        if (answer !== undefined) {
          this.#inFlight += 1;
          return answer;
        }
      }
      return this.#unasked(refusal ?? unreachable(this.#options.regions), check.tier, request);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Answers a check that nobody could be asked; on the next turn, or who asks again at once would keep the answers out. */
  async #unasked(error: ParlError, tier: Tier, request: CheckRequest): Promise<CheckResult> {
    await nextTurn();
    return this.#undecided(error, tier, request);
  }

  /** @throws ParlError PARL_INVALID_ARGUMENT */
  #described(kind: FrameKind, request: CheckRequest): AskedCheck {
    // Callers in plain JavaScript pass what they like.
    if (typeof request !== "object" || request === null) {
      throw invalidArgument("request", 'an object, for example { key: "alice" }', request);
    }
    const { tenant, key, user, id, cost = 1, tier = "approximate", deadlineMs = this.#deadlineMs } = request;
    // As over HTTP: who forgets to say who is asking must not pass by every limit of a key.
    if (key === undefined && user === undefined) {
      const message = 'key is missing (or user): say who is asking, for example { key: "alice" }';
      throw new ParlError("PARL_INVALID_ARGUMENT", message, { field: "key" });
    }
    if (tier !== "approximate" && !TIERS.includes(tier)) {
      throw invalidArgument("tier", `one of ${TIERS.join(", ")}`, tier);
    }
    if (!Number.isInteger(cost) || cost < 0 || cost > COST_MAX) {
      throw invalidArgument("cost", `a whole number from 0 to ${COST_MAX}`, cost);
    }
    if (!Number.isFinite(deadlineMs) || deadlineMs <= 0) {
      throw invalidArgument("deadlineMs", "a number of milliseconds above 0", deadlineMs);
    }
    const lane = this.#laneOf(tenant ?? this.#tenant);
    // One pass over each id tells whether it is its own token, and where it belongs if so.
    const keyHash = key === undefined ? -1 : plainIdHash(key, lane.placement);
    const userHash = user === undefined ? -1 : plainIdHash(user, lane.placement);
    const keyToken = keyHash < 0 ? encodedId(key, "key") : (key as string);
    const userToken = userHash < 0 ? encodedId(user, "user") : (user as string);
    const hash = user === undefined ? keyHash : userHash;
    const placement = hash < 0 ? fnv1aString(finestToken(userToken, keyToken), lane.placement) : hash;
    return {
      kind,
      lane,
      shard: placement % this.#shards,
      tier,
      cost,
      key: keyToken,
      user: userToken,
      id: encodedId(id, "id"),
      deadlineMs: this.#nowMs() + deadlineMs,
      moves: 0,
      request: this.#isShown ? request : undefined,
    };
  }

  /** Why no check is taken now, if so. */
  #refusal(): ParlError | undefined {
    if (this.#isClosed) return new ParlError("PARL_UNAVAILABLE", "the client is closed");
    if (this.#inFlight < this.#inFlightMax) return undefined;
    const message = `${this.#inFlightMax} checks are under way already (maxInFlight); slow down or raise it`;
    return new ParlError("PARL_OVERLOADED", message);
  }

  #laneOf(tenant: string): TenantLane {
    const known = this.#lanes.get(tenant);
    if (known !== undefined) return known;
    const token = encodeId(tenant, "tenant");
    const lane = { token, placement: fnv1aString(token) };
    if (this.#lanes.size === LANES_MAX) this.#lanes.clear();
    this.#lanes.set(tenant, lane);
    return lane;
  }

  /** The time to the nearest tick: one reading serves all checks of a turn of the event loop. */
  #nowMs(): number {
    if (this.#tickMs === 0) {
      this.#tickMs = Math.ceil(performance.now());
      setImmediate(() => (this.#tickMs = 0));
    }
    return this.#tickMs;
  }

  /** Hands the check to the first region worth asking, from a position on; undefined when there is none or no time. */
  #send(check: AskedCheck, from: number): Promise<CheckResult> | undefined {
    const nowMs = this.#nowMs();
    if (check.deadlineMs <= nowMs) return undefined;
    for (let position = from; position < this.#links.length; position += 1) {
      const link = this.#links[position];
      if (link?.isUsable(nowMs) === true) return link.add(check);
    }
    return undefined;
  }

  /** Connects one region; after a first failure goes on trying in the background. */
  async #connect(position: number): Promise<void> {
    try {
      await this.#link(position);
    } catch (error) {
      this.#connectLater(position, 1);
      throw error;
    }
  }

  /** One attempt at a time: the next is due some time after this one has failed. */
  #connectLater(position: number, failures: number): void {
    const retry = (): void => {
      if (this.#isClosed) return;
      this.#link(position).catch(() => this.#connectLater(position, failures + 1));
    };
    setTimeout(retry, retryDelayMs(failures, Math.random())).unref();
  }

  async #link(position: number): Promise<void> {
    const region = this.#options.regions[position] as RegionAddress;
    const connection = await connectRegion(region);
    if (this.#isClosed) await connection.close();
    else
      this.#links[position] = new RegionLink(
        region.name,
        connection,
        this,
        this.#options.checksPerMessageMax,
        natsIdentity(region.servers).inboxPrefix,
      );
  }
}

/** Resolves when sockets and timers have had their turn. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The token of an id, "" when there is none. @throws ParlError PARL_INVALID_ARGUMENT naming `field` */
function encodedId(raw: string | undefined, field: string): string {
  return raw === undefined ? "" : encodeId(raw, field);
}

function unreachable(regions: readonly RegionAddress[]): ParlError {
  const names = regions.map((region) => region.name).join(", ");
  return new ParlError("PARL_UNAVAILABLE", `no region answers (${names}); is one running (npm start)?`);
}
