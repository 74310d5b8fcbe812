/**
 * `/readyz` before a region: can this gateway do its work, and if not, which part fails and why?
 *
 *      nats     connected to the region's server        no ─▶ unready
 *               which is about to end (lame duck mode)      ─▶ degraded: it answers until then
 *      actor    the region's shard actor answers        no ─▶ unready
 *      policies the file on disk is the one in force    no ─▶ degraded: the last good one is, still ready
 *
 * An unready gateway goes on answering checks, by another region or by `onFailure`; whoever routes to it
 * may prefer one that knows.
 */
import { PolicyFileError } from "../admission/policy-file-error.ts";
import { ParlError } from "../core/errors.ts";
import type { HomeRegion } from "./home-region.ts";

export interface PartReport {
  readonly ok: boolean;
  readonly message?: string;
  /** Of the policy file, each with its path, value and rule. */
  readonly problems?: readonly unknown[];
}

export interface ReadinessReport {
  readonly status: "ready" | "degraded" | "unready";
  readonly region: string;
  readonly policies: PartReport;
}

interface RegionReport extends ReadinessReport {
  readonly nats: PartReport;
  readonly actor: PartReport;
  /** Regions that checks can go to now, in order of preference. */
  readonly usableRegions: readonly string[];
}

export interface ReadinessFacts {
  /** Why the policy file on disk is not in force, if it is not. */
  readonly policyError: Error | undefined;
  readonly isDraining: boolean;
}

export async function readiness(
  home: HomeRegion,
  usableRegions: readonly string[],
  facts: ReadinessFacts,
): Promise<RegionReport> {
  const actor = await actorPart(home);
  const nats = natsPart(home);
  const policies = policiesPart(facts.policyError);
  const canServe = home.isConnected && actor.ok && !facts.isDraining;
  const status = !canServe ? "unready" : policies.ok && nats.ok ? "ready" : "degraded";
  return { status, region: home.address.name, nats, actor, policies, usableRegions };
}

function natsPart({ address, isConnected, endingServer }: HomeRegion): PartReport {
  const { name, servers } = address;
  if (!isConnected) {
    return { ok: false, message: `no NATS server of region ${name} answers at ${servers.join(", ")}` };
  }
  if (endingServer === undefined) return { ok: true };
  const message = `the NATS server of region ${name} at ${endingServer} is about to end (lame duck mode)`;
  return { ok: false, message };
}

async function actorPart(home: HomeRegion): Promise<PartReport> {
  try {
    await home.observeRegion();
    return { ok: true };
  } catch (error) {
    if (!(error instanceof ParlError)) throw error;
    return { ok: false, message: error.message };
  }
}

export function policiesPart(error: Error | undefined): PartReport {
  if (error === undefined) return { ok: true };
  const message = `the last good policies stay in force: ${error.message}`;
  return error instanceof PolicyFileError
    ? { ok: false, message, problems: error.problems }
    : { ok: false, message };
}
