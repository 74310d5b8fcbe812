/**
 * The policy file's rules: from whatever a parser read to a `PolicyDocument`, or every problem at once.
 *
 * zod walks the shape and names the paths; each rule is one sentence in the words of the file. Rules that
 * tie fields together run even beside other problems, but only over fields that are sound themselves.
 * Tenants are written raw and leave here as id tokens. deploy/policies/default.yaml shows the format.
 */
import { z } from "zod";
import { ALGORITHMS, type AlgorithmName } from "../algorithms/algorithm.ts";
import { createAlgorithm } from "../algorithms/registry.ts";
import { DIMENSIONS } from "../core/decision.ts";
import { ParlError } from "../core/errors.ts";
import { encodeId } from "../core/id.ts";
import { US_PER_MS, type Micros } from "../core/units.ts";
import { parseDuration } from "./duration.ts";
import { PolicyFileError } from "./policy-file-error.ts";
import { numberIn, problemsOf } from "./policy-problem.ts";
import { ON_CRASH } from "./durability.ts";
import { FAILURE_MODES, type Policy, type PolicyDocument, type PolicyMatch } from "./policy.ts";

const POLICIES_MAX = 4_096;
const UNITS_MAX = 2 ** 31 - 1;
const WINDOW_MIN_US = US_PER_MS;
const WINDOW_MAX_US = 366 * 86_400 * 1_000_000;
const SUB_WINDOWS_MAX = 64;
const KEYS_MAX = 2 ** 31 - 1;
const BURST_ALGORITHMS: readonly AlgorithmName[] = ["token-bucket", "leaky-bucket", "leaky-queue", "gcra"];

const VERSION_RULE = "must be 1, the version of this format";
const NAME_RULE = "must be 1 to 64 of the characters a-z, 0-9 and -";
const TENANT_RULE = "must be a tenant's id as text, not empty";
const WINDOW_RULE = "must be a duration from 1ms to 366d, such as 250ms, 10s, 5m, 1h or 1d";

const nameField = z.string(NAME_RULE).regex(/^[a-z0-9-]{1,64}$/, NAME_RULE);
const tenantField = z.string(TENANT_RULE).min(1, TENANT_RULE);

const windowField = z.unknown().transform((written, context): Micros => {
  const windowUs = parseDuration(written);
  if (windowUs !== undefined && windowUs >= WINDOW_MIN_US && windowUs <= WINDOW_MAX_US) return windowUs;
  context.addIssue({ code: "custom", message: WINDOW_RULE, params: { fix: windowFix(written) } });
  return z.NEVER;
});

const matchFields = z
  .strictObject(
    { tenant: oneOrMore(tenantField).optional(), plan: oneOrMore(nameField).optional() },
    "must be { tenant: … } or { plan: … }",
  )
  .superRefine(({ tenant, plan }, context) => {
    if (context.issues.length > 0) return;
    if (tenant !== undefined && plan !== undefined) {
      addProblem(context, [], "must name tenants or plans, not both", "write one policy for each");
    } else if (tenant === undefined && plan === undefined) {
      addProblem(context, [], "must name a tenant or a plan", "to match every tenant, leave match out");
    }
  });

const policyFields = z.strictObject(
  {
    name: nameField,
    dimension: z.enum(DIMENSIONS, oneOf(DIMENSIONS)),
    match: matchFields.optional(),
    algorithm: z.enum(ALGORITHMS, oneOf(ALGORITHMS)),
    limit: wholeNumber(0, UNITS_MAX),
    window: windowField,
    burst: wholeNumber(1, UNITS_MAX).optional(),
    subWindows: wholeNumber(1, SUB_WINDOWS_MAX).optional(),
    onFailure: z.enum(FAILURE_MODES, oneOf(FAILURE_MODES)).default("allow"),
    onCrash: z.enum(ON_CRASH, oneOf(ON_CRASH)).optional(),
  },
  "must be a mapping with name, dimension, algorithm, limit and window",
);
type PolicyFields = z.output<typeof policyFields>;

const tenantFields = z
  .strictObject(
    { plan: nameField.optional(), keysMax: wholeNumber(1, KEYS_MAX).optional() },
    "must be a mapping such as { plan: gold }",
  )
  .superRefine((tenant, context) => {
    if (context.issues.length > 0 || Object.keys(tenant).length > 0) return;
    addProblem(context, [], "must have a plan, keysMax or both", "give it one, or leave the tenant out");
  });
type TenantFields = z.output<typeof tenantFields>;

const documentFields = z.strictObject(
  {
    version: z.number(VERSION_RULE).refine((version) => version === 1, VERSION_RULE),
    // A map, because a tenant may be called __proto__.
    tenants: z
      .preprocess(
        (tenants) => (isMapping(tenants) ? new Map(Object.entries(tenants)) : tenants),
        z.map(tenantField, tenantFields, "must be a mapping of tenants, such as acme: { plan: gold }"),
      )
      .optional(),
    keysMax: wholeNumber(1, KEYS_MAX).optional(),
    policies: z
      .array(
        policyFields.superRefine(checkTogether, { when: ({ value }) => isMapping(value) }),
        "must be a list of policies",
      )
      .max(POLICIES_MAX, `must be at most ${POLICIES_MAX} policies`)
      .superRefine(checkUnique, { when: ({ value }) => Array.isArray(value) }),
  },
  "must be a mapping with version and policies",
);

/** `source` is what the error calls the input: its file name. */
export function parsePolicies(input: unknown, source: string): PolicyDocument {
  const result = documentFields.safeParse(input);
  if (!result.success) throw new PolicyFileError(source, problemsOf(result.error, input, fieldsAt));
  const { policies, keysMax, tenants = new Map<string, TenantFields>() } = result.data;
  const byTenant = definedOf(tenants, (tenant) => tenant.keysMax);
  return {
    policies: policies.map(toPolicy),
    plans: definedOf(tenants, ({ plan }) => plan),
    ...((keysMax !== undefined || byTenant.size > 0) && {
      keysMax: { byTenant, ...(keysMax !== undefined && { everyTenant: keysMax }) },
    }),
  };
}

/** By tenant token, of those tenants that have it. */
function definedOf<Value>(
  tenants: ReadonlyMap<string, TenantFields>,
  valueOf: (tenant: TenantFields) => Value | undefined,
): Map<string, Value> {
  const defined = new Map<string, Value>();
  for (const [tenant, fields] of tenants) {
    const value = valueOf(fields);
    if (value !== undefined) defined.set(encodeId(tenant), value);
  }
  return defined;
}

function toPolicy({ match, window, burst, subWindows, onCrash, ...same }: PolicyFields): Policy {
  return {
    ...same,
    match: toMatch(match),
    windowUs: window,
    ...(burst !== undefined && { burst }),
    ...(subWindows !== undefined && { subWindows }),
    ...(onCrash !== undefined && { onCrash }),
  };
}

function toMatch({ tenant, plan }: NonNullable<PolicyFields["match"]> = {}): PolicyMatch {
  if (tenant !== undefined) return { tenants: distinct(tenant).map((raw) => encodeId(raw)) };
  return plan === undefined ? {} : { plans: distinct(plan) };
}

function distinct(names: string | readonly string[]): string[] {
  return [...new Set(typeof names === "string" ? [names] : names)];
}

/** What one field says about another. */
function checkTogether(policy: PolicyFields, context: z.RefinementCtx): void {
  const unsound = new Set(context.issues.map((issue) => issue.path?.[0]));
  const areSound = (...fields: (keyof PolicyFields)[]): boolean =>
    fields.every((field) => !unsound.has(field));
  if (!areSound("algorithm")) return;
  const { algorithm, burst, subWindows } = policy;
  const hasBurst = BURST_ALGORITHMS.includes(algorithm);
  if (burst !== undefined && !hasBurst) {
    addProblem(
      context,
      ["burst"],
      `does not exist for ${algorithm}, which has no bucket`,
      `leave it out, or choose one of ${BURST_ALGORITHMS.join(", ")}`,
    );
  }
  if (subWindows !== undefined && algorithm !== "conservative-window") {
    addProblem(
      context,
      ["subWindows"],
      `does not exist for ${algorithm}`,
      "leave it out, or choose conservative-window",
    );
  }
  if (!areSound("limit", "window", "burst", "subWindows")) return;
  if (!hasBurst || checkExact(policy, context)) checkPossible(policy, context);
}

/** Whatever else the algorithm will not do, asked of the algorithm itself. */
function checkPossible(
  { algorithm, limit, window, burst, subWindows }: PolicyFields,
  context: z.RefinementCtx,
): void {
  try {
    createAlgorithm({
      algorithm,
      limit,
      windowUs: window,
      ...(burst !== undefined && { burst }),
      ...(subWindows !== undefined && { subWindows }),
    });
  } catch (error) {
    if (!(error instanceof ParlError)) throw error;
    addProblem(context, [error.field ?? "algorithm"], "asks for what the algorithm cannot do", error.message);
  }
}

/**
 * Bucket levels are kept in the smallest unit that makes a token and a microsecond's refill both whole:
 * window / gcd(limit, window) units a token. A full bucket of them must stay an exact integer.
 */
function checkExact({ limit, window, burst }: PolicyFields, context: z.RefinementCtx): boolean {
  const unitsPerToken = window / greatestCommonDivisor(limit, window);
  if ((burst ?? limit) * unitsPerToken <= Number.MAX_SAFE_INTEGER) return true;
  const burstMax = Math.floor(Number.MAX_SAFE_INTEGER / unitsPerToken);
  addProblem(
    context,
    [burst === undefined ? "limit" : "burst"],
    "is too fine for exact arithmetic with this window",
    `set burst to at most ${burstMax}, shorten the window, or choose a rounder limit (one that divides the window)`,
  );
  return false;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function checkUnique(policies: readonly PolicyFields[], context: z.RefinementCtx): void {
  const firstByName = new Map<string, number>();
  for (const [index, policy] of policies.entries()) {
    const name: unknown = isMapping(policy) ? policy.name : undefined;
    if (typeof name !== "string") continue;
    const first = firstByName.get(name) ?? index;
    firstByName.set(name, first);
    if (first !== index)
      addProblem(context, [index, "name"], `is also the name of policies[${first}]`, "rename one");
  }
}

function wholeNumber(min: number, max: number): z.ZodType<number> {
  const rule = `must be a whole number from ${min} to ${max}`;
  const isInRange = (value: number): boolean => Number.isInteger(value) && value >= min && value <= max;
  // YAML knows a -0; the algorithms do not.
  return z.number(rule).refine(isInRange, rule).transform(Math.abs);
}

/** The list comes second: `problemsOf` picks the branch by that. */
function oneOrMore<Item extends z.ZodType>(item: Item) {
  return z.union([item, z.array(item).min(1, "must not be an empty list")]);
}

function oneOf(names: readonly string[]): string {
  return `must be one of ${names.join(", ")}`;
}

function isMapping(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function addProblem(context: z.RefinementCtx, path: PropertyKey[], message: string, fix: string): void {
  context.addIssue({ code: "custom", path, message, params: { fix } });
}

function windowFix(written: unknown): string {
  if (written === undefined) return "it is missing";
  const seconds = numberIn(written);
  if (seconds !== undefined) return `write ${seconds}s`;
  const isFraction = typeof written === "number" && written > 0 && !Number.isInteger(written);
  return isFraction ? "write a fraction of a second in ms" : "";
}

/** The names that are known at a place in the file. */
function fieldsAt(path: readonly PropertyKey[]): readonly string[] {
  if (path.length === 0) return Object.keys(documentFields.shape);
  if (path[0] === "tenants") return Object.keys(tenantFields.shape);
  return Object.keys(path.length === 2 ? policyFields.shape : matchFields.shape);
}
