import * as fc from "fast-check";
import { expect, it } from "vitest";
import { DIMENSIONS, OUTCOMES } from "../../core/decision.ts";
import { ERROR_CODES, ParlError } from "../../core/errors.ts";
import { PackedReplyReader, PackedReplyWriter } from "../../core/packed-reply.ts";
import { Prng } from "../../core/prng.ts";
import { mutatedBytes, randomBytes, surrounded, withoutStackTraces } from "./mutated-bytes.ts";
import { answersRead } from "./reply-answers.ts";

const uint32 = fc.nat(2 ** 32 - 1);
const micros = fc.oneof(fc.maxSafeNat(), fc.constant(Infinity));
/** Some of them come back in message after message, as policy names do. */
const texts = fc.oneof(
  fc.constantFrom(null, "per-key", "per-org"),
  fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }),
);
const decisions = fc.record({
  kind: fc.constant("decision" as const),
  outcome: fc.constantFrom(...OUTCOMES),
  dimension: fc.oneof(fc.constant(null), fc.constantFrom(...DIMENSIONS)),
  text: texts,
  limit: uint32,
  remaining: uint32,
  waitUs: micros,
  resetAfterUs: micros,
});
const errors = fc.record({
  kind: fc.constant("error" as const),
  errorCode: fc.constantFrom(...ERROR_CODES),
  text: fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }),
  waitUs: fc.nat(10_000).map((ms) => ms * 1_000),
});
const fieldErrors = errors.map((error) => ({ ...error, errorField: `field of ${error.text}` }));
const moves = fc.record({ kind: fc.constant("moved" as const), shard: uint32 });
const answers = fc.oneof({ weight: 3, arbitrary: decisions }, errors, fieldErrors, moves);
type Answer = typeof answers extends fc.Arbitrary<infer T> ? T : never;

function written(writer: PackedReplyWriter, list: readonly Answer[], epoch = 1): Uint8Array {
  writer.begin(epoch, 2, 3);
  for (const answer of list) {
    if (answer.kind === "moved") writer.moved(answer.shard);
    else if (answer.kind === "error") {
      const retryAfterMs = answer.waitUs / 1_000;
      const details = "errorField" in answer ? { retryAfterMs, field: answer.errorField } : { retryAfterMs };
      writer.error(new ParlError(answer.errorCode, answer.text, details));
    } else {
      const { outcome, dimension, text, limit, remaining, waitUs, resetAfterUs } = answer;
      const place = dimension === null ? -1 : DIMENSIONS.indexOf(dimension);
      writer.decision(outcome, place, text === null ? -1 : writer.text(text), limit);
      writer.amounts(remaining, waitUs, resetAfterUs);
    }
  }
  return writer.finish();
}

it("reads what was written, over any number of messages", () => {
  const writer = new PackedReplyWriter();
  const reader = new PackedReplyReader();
  fc.assert(
    fc.property(fc.array(answers, { maxLength: 30 }), fc.maxSafeNat(), (list, epoch) => {
      reader.open(written(writer, list, epoch));
      expect(reader.epoch).toBe(epoch);
      expect(answersRead(reader)).toEqual(list);
    }),
    { numRuns: 500 },
  );
});

/** Everything a reader makes of a reply, as text to compare; the error where it refuses. */
function readingOf(reply: Uint8Array): string {
  const reader = new PackedReplyReader();
  try {
    reader.open(reply);
  } catch (error) {
    if (!(error instanceof ParlError)) throw error;
    return `${error.code} ${error.message}`;
  }
  return JSON.stringify(answersRead(reader));
}

it("reads 35,000 hostile replies without failing, or looking at a byte outside of them", () => {
  const prng = new Prng(20_261_123);
  const writer = new PackedReplyWriter();
  const lists = fc.sample(fc.array(answers, { minLength: 1, maxLength: 6 }), { seed: 1, numRuns: 200 });
  const sound = lists.map((list) => written(writer, list));
  let refused = 0;
  for (let run = 0; run < 35_000; run += 1) {
    const hostile = run % 4 === 0 ? randomBytes(prng, 120) : mutatedBytes(sound[run % sound.length]!, prng);
    if (run % 8 === 0) hostile.set([1, 0x81, 28, 0].slice(0, hostile.length));
    const reading = withoutStackTraces(() => readingOf(surrounded(hostile, 0)));
    const again = withoutStackTraces(() => readingOf(surrounded(hostile, 0x61)));
    if (again !== reading) throw new Error(`run ${run} read its surroundings`);
    if (reading.startsWith("PARL_")) refused += 1;
  }
  expect(refused).toBeGreaterThan(10_000);
  expect(refused).toBeLessThan(32_000);
});
