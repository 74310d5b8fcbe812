/**
 * Calls and answers of one script under one policy, in the order that its header gives.
 *
 *      1 key    check 100 600000 1 1     1753267200123456 1      ──▶  EVALSHA  ──▶    0 99 0 600000
 *      Keys     Arguments                Arguments per key                            Returns per key
 */
import { OUTCOMES, Verdict, type Outcome } from "../core/decision.ts";
import { ParlError, shown } from "../core/errors.ts";
import { micros, type Micros } from "../core/units.ts";
import type { ScriptNumbers } from "./limiter-params.ts";
import type { RedisKeys } from "./redis-keys.ts";
import type { ScriptCall } from "./redis-script.ts";
import { argumentText, type ScriptContract, type ScriptField } from "./script-contract.ts";
import { ScriptLoaderError } from "./script-loader-error.ts";

export type Mode = "check" | "report" | "refund";

const SERVER_CLOCK = micros(0);

/** What is asked of one key; its numbers have the header's names. */
export interface Ask {
  readonly key: string;
  readonly cost: number;
  /** The caller's clock; absent: Redis' own. */
  readonly nowUs?: Micros | undefined;
}

const QUESTIONS = {
  now_us: ({ nowUs = SERVER_CLOCK }: Ask) => nowUs,
  cost: ({ cost }: Ask) => cost,
} as const;
const ANSWERS = {
  outcome: "outcome",
  remaining: "remaining",
  retry_after_us: "retryAfterUs",
  reset_after_us: "resetAfterUs",
  delay_us: "delayUs",
} as const;
type Question = (typeof QUESTIONS)[keyof typeof QUESTIONS];
type Answer = (typeof ANSWERS)[keyof typeof ANSWERS];

/** What a script is used for. */
export interface ScriptUse {
  readonly keys: RedisKeys;
  readonly numbers: ScriptNumbers;
  /** The policy's, as verdicts tell it. */
  readonly limit: number;
}

export class ScriptProtocol {
  readonly #limit: number;
  readonly #keys: RedisKeys;
  /** Arguments of a call, by mode. */
  readonly #call: Readonly<Record<Mode, readonly string[]>>;
  readonly #perKey: readonly { readonly field: ScriptField; readonly question: Question }[];
  readonly #returns: readonly Answer[];
  /** What the policy says: the arguments of a call without its mode. */
  readonly numbers: readonly string[];

  /** @throws ParlError PARL_INVALID_ARGUMENT for a number out of the header's range */
  constructor({ call, perKey, returns }: ScriptContract, { keys, numbers, limit }: ScriptUse) {
    const packed = (mode: Mode): readonly string[] =>
      call.map((field) => argumentText(field, isNumber(field) ? numbers[field.name] : mode));
    this.numbers = call.filter(isNumber).map((field) => argumentText(field, numbers[field.name]));
    this.#limit = limit;
    this.#keys = keys;
    this.#call = { check: packed("check"), report: packed("report"), refund: packed("refund") };
    this.#perKey = perKey.map((field) => ({ field, question: known(field.name, QUESTIONS) }));
    this.#returns = returns.map((field) => known(field.name, ANSWERS));
  }

  /** @throws ParlError PARL_INVALID_ARGUMENT for a key, cost or moment that is none */
  pack(mode: Mode, asks: readonly Ask[]): ScriptCall {
    const call: [number, ...string[]] = [asks.length];
    for (const { key } of asks) call.push(this.#keys.of(key));
    for (const argument of this.#call[mode]) call.push(argument);
    for (const ask of asks) {
      for (const { field, question } of this.#perKey) call.push(argumentText(field, question(ask)));
    }
    return call;
  }

  /** @param line what the script answers for one key */
  read(line: string): Verdict {
    const words = line.split(" ");
    if (words.length !== this.#returns.length) {
      throw new ParlError("PARL_INTERNAL", `a script answered ${shown(line)}: is it another version's?`);
    }
    const verdict = new Verdict();
    verdict.limit = this.#limit;
    for (let place = 0; place < words.length; place += 1) {
      fill(verdict, this.#returns[place] as Answer, Number(words[place]));
    }
    return verdict;
  }
}

function isNumber({ words }: ScriptField): boolean {
  return words === undefined;
}

function fill(verdict: Verdict, answer: Answer, value: number): void {
  if (answer === "outcome") verdict.outcome = OUTCOMES[value] as Outcome;
  else verdict[answer] = value < 0 ? Infinity : value;
}

/** @throws ScriptLoaderError for a field that nobody here would fill or read */
function known<Names extends object>(name: string, names: Names): Names[keyof Names] {
  if (Object.hasOwn(names, name)) return names[name as keyof Names];
  throw new ScriptLoaderError("a header", `nobody knows what ${name} is`);
}
