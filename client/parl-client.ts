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
import { TIERS } from "../core/decision.ts";
import { invalidArgument, ParlError } from "../core/errors.ts";
import { fnv1aString } from "../core/fnv1a.ts";
import { encodeId, ORG_TOKEN, plainIdHash } from "../core/id.ts";
import { SHARDS_DEFAULT } from "../core/key.ts";
import { COST_MAX, type FrameKind } from "../core/packed-request.ts";
import { blindResult, type CheckRequest, type CheckResult, type OnFailure } from "./check.ts";
import { connectRegion, type RegionAddress } from "./connect-region.ts";
import type { CheckEvents, PendingCheck, TenantLane } from "./pending-check.ts";
import { RegionLink } from "./region-link.ts";

const DEADLINE_MS_DEFAULT = 500;
/** Beyond this many unanswered checks more waiting helps nobody. */
const IN_FLIGHT_MAX_DEFAULT = 262_144;
const TENANT_DEFAULT = "default";
/** Tenants remembered; beyond that the cache starts over. */
const LANES_MAX = 4_096;
/** Between attempts to reach a region that was down from the start. */
const RECONNECT_MS = 1_000;

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

  decided(check: PendingCheck, result: CheckResult): void {
    this.#inFlight -= 1;
    check.resolve(result);
  }

  failed(check: PendingCheck, error: ParlError): void {
    // A lost answer may have been charged; asking elsewhere could charge twice.
    const isUncharged = error.isRetryable() && error.code !== "PARL_DEADLINE_EXCEEDED";
    if (isUncharged && !this.#isClosed && this.#send(check)) return;
    this.#inFlight -= 1;
    const { onFailure = "throw" } = this.#options;
    if (onFailure === "throw" || error.isCallersFault()) {
      check.reject(error);
      return;
    }
    this.blindDecisions += 1;
    try {
      const verdict =
        typeof onFailure === "function"
          ? onFailure({ request: check.request, error })
          : onFailure === "allow";
      check.resolve(typeof verdict === "boolean" ? blindResult(verdict, check.tier) : verdict);
    } catch (mistake) {
      // Thrown further it would end the connection's reader and leave the frame's other checks hanging.
      check.reject(mistake as Error);
    }
  }

  #ask(kind: FrameKind, request: CheckRequest): Promise<CheckResult> {
    return new Promise((resolve, reject) => {
      // What throws here rejects the promise.
      const { key = "", user = "", id = "", cost = 1, tier = "approximate" } = request;
      if (!TIERS.includes(tier)) throw invalidArgument("tier", `one of ${TIERS.join(", ")}`, tier);
      if (!Number.isInteger(cost) || cost < 0 || cost > COST_MAX) {
        throw invalidArgument("cost", `a whole number from 0 to ${COST_MAX}`, cost);
      }
      const { deadlineMs: patienceMs = this.#deadlineMs } = request;
      if (!Number.isFinite(patienceMs) || patienceMs <= 0) {
        throw invalidArgument("deadlineMs", "a number of milliseconds above 0", patienceMs);
      }
      const lane = this.#laneOf(request.tenant ?? this.#tenant);
      const shard = placementOf(request, lane.placement) % this.#shards;
      const deadlineMs = this.#nowMs() + patienceMs;
      const check: PendingCheck = {
        kind,
        request,
        key,
        user,
        id,
        cost,
        tier,
        lane,
        deadlineMs,
        shard,
        moves: 0,
        nextRegion: 0,
        resolve,
        reject,
      };
      this.#inFlight += 1;
      if (this.#isClosed) this.failed(check, new ParlError("PARL_UNAVAILABLE", "the client is closed"));
      else if (this.#inFlight > this.#inFlightMax) this.#refuse(check);
      else if (!this.#send(check)) this.failed(check, unreachable(this.#options.regions));
    });
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

  /** Hands the check to the next region worth asking; false when there is none or no time. */
  #send(check: PendingCheck): boolean {
    const nowMs = this.#nowMs();
    while (check.nextRegion < this.#links.length && check.deadlineMs > nowMs) {
      const link = this.#links[check.nextRegion];
      check.nextRegion += 1;
      if (link?.isUsable(nowMs) !== true) continue;
      check.moves = 0;
      link.add(check);
      return true;
    }
    return false;
  }

  #refuse(check: PendingCheck): void {
    check.nextRegion = this.#links.length;
    const message = `${this.#inFlightMax} checks are under way already (maxInFlight); slow down or raise it`;
    this.failed(check, new ParlError("PARL_OVERLOADED", message));
  }

  /** Connects one region; after a first failure goes on trying in the background. */
  async #connect(position: number): Promise<void> {
    const region = this.#options.regions[position] as RegionAddress;
    try {
      await this.#link(region, position);
    } catch (error) {
      const retry = setInterval(() => {
        if (this.#isClosed) clearInterval(retry);
        else
          this.#link(region, position).then(
            () => clearInterval(retry),
            () => undefined,
          );
      }, RECONNECT_MS);
      retry.unref();
      throw error;
    }
  }

  async #link(region: RegionAddress, position: number): Promise<void> {
    const connection = await connectRegion(region);
    if (this.#isClosed || this.#links[position] !== undefined) await connection.close();
    else
      this.#links[position] = new RegionLink(
        region.name,
        connection,
        this,
        this.#options.checksPerMessageMax,
      );
  }
}

/** FNV-1a of the token a check is placed by. @throws ParlError PARL_INVALID_ARGUMENT for an id that is none */
function placementOf({ user, key, id }: CheckRequest, lanePlacement: number): number {
  const finest = user ?? key;
  if (user !== undefined && key !== undefined && plainIdHash(key, 0) < 0) encodeId(key, "key");
  if (id !== undefined && plainIdHash(id, 0) < 0) encodeId(id, "id");
  if (finest === undefined) return fnv1aString(ORG_TOKEN, lanePlacement);
  const placement = plainIdHash(finest, lanePlacement);
  if (placement >= 0) return placement;
  return fnv1aString(encodeId(finest, user === undefined ? "key" : "user"), lanePlacement);
}

function unreachable(regions: readonly RegionAddress[]): ParlError {
  const names = regions.map((region) => region.name).join(", ");
  return new ParlError("PARL_UNAVAILABLE", `no region answers (${names}); is one running (npm start)?`);
}
