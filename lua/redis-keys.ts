/**
 * Names of keys in Redis: one key per decision, hence one hash slot.
 *
 *      parl:{alice}:per-key:gcra:zq0ao
 *           │       │       └ algorithm and window (base 36 µs): state of other ones would be misread
 *           │       └ policy, as a token
 *           └ key, as a token; between braces, so that all policies of a key share a slot
 *
 * The limit is no part of it: a changed limit finds the debt of the old one.
 *
 * Where keys belong to tenants the braces say so: {acme.key.alice}. A token has no dot, so no two owners are one.
 */
import { encodeId } from "../core/id.ts";
import { SUB_WINDOWS_DEFAULT, type RedisLimiterParams } from "./limiter-params.ts";

const PREFIX = "parl:{";

export class RedisKeys {
  readonly #suffix: string;

  /** @param policy any text; limiters of one policy share their keys' state */
  constructor(policy: string, params: RedisLimiterParams) {
    const { algorithm, windowUs, subWindows = SUB_WINDOWS_DEFAULT } = params;
    const grid = algorithm === "conservative-window" ? `:${subWindows}` : "";
    this.#suffix = `}:${encodeId(policy, "policy")}:${algorithm}:${windowUs.toString(36)}${grid}`;
  }

  /** @throws ParlError PARL_INVALID_ARGUMENT for a key that is no id (core/id.ts) */
  of(key: string): string {
    return this.ofOwner(encodeId(key, "key"));
  }

  /** Where the answer to what was charged under an id is kept; both are tokens. */
  static ofAnswer(tenant: string, id: string): string {
    return `${PREFIX}${tenant}}:id:${id}`;
  }

  /** @param owner tokens, with dots between them */
  ofOwner(owner: string): string {
    return PREFIX + owner + this.#suffix;
  }
}
