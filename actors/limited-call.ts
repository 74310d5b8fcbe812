/**
 * Sums up who is limited now, and which tenants have no room for new keys, from what every process of the region
 * says of itself.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import type { Admission } from "../admission/admission.ts";
import {
  mergeHitters,
  type HeavyHitter,
  type HeavyHitters,
  type HeavyHittersReport,
} from "../admission/heavy-hitters.ts";
import type { FullTenant } from "../admission/tenant-views.ts";
import type { Clock } from "../core/clock.ts";
import type { Dimension } from "../core/decision.ts";
import { ParlError } from "../core/errors.ts";
import { decodeId } from "../core/id.ts";
import { millisCeil, type Micros } from "../core/units.ts";
import type { LimitedRequest } from "./admin-request.ts";
import { callRoll } from "./roll-call.ts";

/** Asked of every process; a LimitedReport is the answer. */
export const LIMITED_ROLL_SUBJECT = "parl.members.limited";

/** What one process says; an older one nothing of tenants. */
export interface LimitedReport extends HeavyHittersReport {
  readonly fullTenants?: readonly FullTenant[];
}

/** As long as a process may take that has its hands full. */
const PATIENCE_MS = 200;

/** Of tenants without room for new keys, so many of each process. */
const FULL_TENANTS_TOLD = 100;

/** What a process says when it is asked. */
export function reportLimited(admission: Admission, limited: HeavyHitters, nowUs: Micros): LimitedReport {
  const fullTenants = admission.tenants.full().slice(0, FULL_TENANTS_TOLD);
  return { ...limited.report(nowUs), fullTenants };
}

export interface LimitedScene {
  readonly connection: NatsConnection;
  readonly clock: Clock;
  /** How many processes the region has, as far as is known here. */
  readonly membersExpected: () => number;
}

/** Ids raw, as people write them; `_org` and `_global` for the coarse dimensions. */
interface LimitedLine {
  readonly tenant: string;
  readonly dimension: Dimension;
  readonly key: string;
  readonly policy: string;
  /** Refusals, halved every 30 s; at most `errorMax` too many. */
  readonly denied: number;
  readonly errorMax: number;
  /** How long ago it was last refused, and for how long that refusal still holds. */
  readonly lastMs: number;
  readonly limitedForMs: number;
}

export interface LimitedOutcome {
  /** Processes that answered, and how many there should be. */
  readonly members: number;
  readonly membersExpected: number;
  /** All refusals, halved every 30 s. */
  readonly denied: number;
  readonly keys: readonly LimitedLine[];
  /** Tenants without room for new keys, raw, each as the process has it where it holds most. */
  readonly fullTenants: readonly FullTenant[];
}

/** @throws ParlError PARL_UNAVAILABLE when no process answers */
export async function callLimited(scene: LimitedScene, { top }: LimitedRequest): Promise<LimitedOutcome> {
  const membersExpected = Math.max(1, scene.membersExpected());
  const roll = { subject: LIMITED_ROLL_SUBJECT, expected: membersExpected, patienceMs: PATIENCE_MS };
  const reports = await callRoll<LimitedReport>(scene.connection, roll);
  if (reports.length === 0) {
    const message = `no process of the region answered within ${PATIENCE_MS} ms; ask again`;
    throw new ParlError("PARL_UNAVAILABLE", message);
  }
  const { total, hitters } = mergeHitters(reports);
  const nowUs = scene.clock.wallUs();
  return {
    members: reports.length,
    membersExpected,
    denied: rounded(total),
    keys: hitters.slice(0, top).map((hitter) => lineOf(hitter, nowUs)),
    fullTenants: fullestOf(reports).slice(0, top),
  };
}

function fullestOf(reports: readonly LimitedReport[]): FullTenant[] {
  const fullest = new Map<string, FullTenant>();
  for (const full of reports.flatMap(({ fullTenants = [] }) => fullTenants)) {
    if ((fullest.get(full.tenant)?.keys ?? 0) < full.keys) fullest.set(full.tenant, full);
  }
  return [...fullest.values()]
    .toSorted((a, b) => b.keys - a.keys)
    .map((full) => ({ ...full, tenant: decodeId(full.tenant) ?? full.tenant }));
}

function lineOf({ count, errorMax, lastUs, untilUs, ...who }: HeavyHitter, nowUs: number): LimitedLine {
  return {
    ...who,
    tenant: decodeId(who.tenant) ?? who.tenant,
    key: decodeId(who.key) ?? who.key,
    denied: rounded(count),
    errorMax: rounded(errorMax),
    lastMs: millisCeil(Math.max(0, nowUs - lastUs)),
    limitedForMs: millisCeil(Math.max(0, untilUs - nowUs)),
  };
}

/** Hundredths of a refusal are as fine as anybody reads. */
function rounded(count: number): number {
  return Math.round(count * 100) / 100;
}
