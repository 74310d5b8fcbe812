import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeBorrow,
  decodeGrant,
  decodeRecall,
  encodeBorrow,
  encodeGrant,
  encodeRecall,
  GRANT_STATUSES,
  LOAN_ROWS_MAX,
  type BorrowFrame,
  type GrantFrame,
  type RecallFrame,
} from "../../admission/loan-messages.ts";
import { readLoanRows, writeLoanRows, type LoanRowRecord } from "../../admission/loan-rows.ts";
import { KeyQuota } from "../../algorithms/key-census.ts";
import { ParlError } from "../../core/errors.ts";

const counter = fc.oneof(fc.nat(100), fc.maxSafeNat());
const units = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const duration = fc.oneof(fc.nat(), fc.constant(Infinity));
const session = fc.record({ epoch: counter, birth: counter });
const holder = fc.record({ member: fc.stringMatching(/^[a-z0-9-]{1,32}$/), incarnation: counter });
const quota = fc.option(
  fc
    .tuple(fc.integer({ min: 1, max: 2 ** 32 - 1 }), fc.oneof(fc.nat(), fc.constant(Infinity)))
    .map(([tenant, markedMax]) => new KeyQuota(tenant, markedMax)),
  { nil: undefined },
);
const key = {
  policy: fc.stringMatching(/^[a-z0-9-]{1,64}$/),
  high: fc.nat(2 ** 32 - 1),
  low: fc.nat(0xffff),
};

function framesOf<Row>(row: fc.Arbitrary<Row>): fc.Arbitrary<{
  shard: number;
  holder: { member: string; incarnation: number };
  rows: Row[];
}> {
  return fc.record({ shard: fc.nat(), holder, rows: fc.array(row, { maxLength: 5 }) });
}

const borrows: fc.Arbitrary<BorrowFrame> = framesOf(
  fc
    .record({
      ...key,
      id: counter,
      session,
      spent: counter,
      returned: counter,
      quota,
      owes: fc.tuple(counter, counter),
      amounts: fc.tuple(units, units, units),
    })
    .map(({ owes, amounts, ...row }) => {
      const [least, need, want] = amounts.toSorted((a, b) => a - b) as [number, number, number];
      return { ...row, owed: Math.max(...owes), owedFrom: Math.min(...owes), least, need, want };
    }),
);

const grants: fc.Arbitrary<GrantFrame> = framesOf(
  fc.record({
    ...key,
    id: counter,
    session,
    status: fc.constantFrom(...GRANT_STATUSES),
    granted: counter,
    limit: units,
    remaining: counter,
    deniedUnits: units,
    retryAfterUs: duration,
    resetAfterUs: duration,
    delayUs: duration,
    validUs: duration,
    beside: units,
  }),
);

const recalls: fc.Arbitrary<RecallFrame> = framesOf(fc.record(key));

const loanRows: fc.Arbitrary<LoanRowRecord[]> = fc.array(
  fc
    .record({
      ...key,
      quota,
      holder,
      session,
      sums: fc.array(fc.nat(2 ** 40), { minLength: 3, maxLength: 3 }),
      owed: counter,
      lastId: counter,
      lastAmount: counter,
    })
    .map(({ policy, high, low, quota: of, sums: [spent = 0, returned = 0, lent = 0], ...row }) => {
      return {
        policy,
        high,
        low,
        quota: of,
        row: { ...row, spent, returned, granted: spent + returned + lent },
      };
    }),
  { maxLength: 5 },
);

const KINDS = [
  ["borrow", borrows, encodeBorrow, decodeBorrow],
  ["grant", grants, encodeGrant, decodeGrant],
  ["recall", recalls, encodeRecall, decodeRecall],
  ["rows", loanRows, writeLoanRows, readLoanRows],
] as unknown as readonly (readonly [
  string,
  fc.Arbitrary<object>,
  (message: object) => Uint8Array,
  (bytes: Uint8Array) => object,
])[];

/** What the decoder makes of bytes: a message, or a typed error that names a field. */
function outcome(decode: (bytes: Uint8Array) => object, bytes: Uint8Array): object {
  try {
    return decode(bytes);
  } catch (error) {
    if (!(error instanceof ParlError)) throw error;
    expect(["PARL_MALFORMED", "PARL_UNSUPPORTED_VERSION", "PARL_TOO_LARGE"]).toContain(error.code);
    expect(error.field).not.toBe("");
    return error;
  }
}

describe.each(KINDS)("a %s message", (_, messages, encode, decode) => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(messages, (message) => {
        expect(decode(encode(message))).toEqual(message);
      }),
    );
  });

  it("is refused when cut short or longer than its rows", () => {
    fc.assert(
      fc.property(messages, fc.nat(), (message, draw) => {
        const bytes = encode(message);
        expect(outcome(decode, bytes.subarray(0, draw % bytes.length))).toBeInstanceOf(ParlError);
        expect(outcome(decode, new Uint8Array([...bytes, 0]))).toBeInstanceOf(ParlError);
      }),
    );
  });

  it("with any bytes changed is a message that could be written, or a typed error", () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(messages, flips, (message, changes) => {
        const bytes = encode(message);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const read = outcome(decode, bytes);
        if (!(read instanceof ParlError)) expect(decode(encode(read))).toEqual(read);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is never mistaken for anything in noise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        outcome(decode, bytes);
        bytes[0] = 1;
        outcome(decode, bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  it("of a version to come is read as far as it is known, of one after that refused", () => {
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = encode(message);
        bytes[0] = 2;
        expect(decode(bytes)).toEqual(message);
        bytes[0] = 3;
        expect(() => decode(bytes)).toThrow(expect.objectContaining({ code: "PARL_UNSUPPORTED_VERSION" }));
      }),
      { numRuns: 20 },
    );
  });
});

const RECALL: RecallFrame = {
  shard: 3,
  holder: { member: "eu-1", incarnation: 7 },
  rows: [{ policy: "p", high: 1, low: 2 }],
};

const BORROW = {
  policy: "p",
  high: 1,
  low: 2,
  id: 1,
  session: { epoch: 1, birth: 1 },
  spent: 0,
  returned: 0,
  owed: 0,
  owedFrom: 0,
  least: 1,
  need: 1,
  want: 1,
};

it("reads past what a newer writer has put before the policy's name", () => {
  const bytes = [...encodeRecall(RECALL)];
  bytes[2] = 6 + 4;
  bytes.splice(bytes.length - 2, 0, 9, 9, 9, 9);
  expect(decodeRecall(new Uint8Array(bytes))).toEqual(RECALL);
});

it("reads what a writer has put there that knows of no quotas", () => {
  const row = { ...BORROW, quota: new KeyQuota(0x1234abcd, 77) };
  const older = [...encodeBorrow({ ...RECALL, rows: [row] })];
  const head = older[2] as number;
  const rowAt = older.length - 2 - head;
  older[2] = head - 8;
  older.splice(rowAt + head - 8, 8);
  expect(decodeBorrow(new Uint8Array(older)).rows).toEqual([BORROW]);
  older[2] = head - 9;
  expect(() => decodeBorrow(new Uint8Array(older))).toThrow("row head of the borrow message is 73 bytes");
});

it("of a home that does not tell what others have is read as if they had something", () => {
  fc.assert(
    fc.property(grants, (frame) => {
      const one = { ...frame, rows: frame.rows.slice(0, 1) };
      const [row] = one.rows;
      const bytes = [...encodeGrant(one)];
      const head = (bytes[2] as number) - 4;
      bytes[2] = head;
      if (row !== undefined) bytes.splice(bytes.length - 1 - row.policy.length - 4, 4);
      const rows = row === undefined ? [] : [{ ...row, beside: 1 }];
      expect(decodeGrant(new Uint8Array(bytes))).toEqual({ ...one, rows });
    }),
  );
});

it("does not take one kind for another", () => {
  expect(() => decodeGrant(encodeRecall(RECALL))).toThrow("kind of the grant message is 3, not 2");
});

it("is written and read with as many rows as it may have, and with no more", () => {
  const [row] = RECALL.rows;
  const most = {
    ...RECALL,
    rows: Array.from({ length: LOAN_ROWS_MAX }, () => row as (typeof RECALL.rows)[0]),
  };
  expect(decodeRecall(encodeRecall(most)).rows).toHaveLength(LOAN_ROWS_MAX);
  expect(() => encodeRecall({ ...most, rows: [...most.rows, ...RECALL.rows] })).toThrow("send several");
});

function readWith(wrong: object): unknown {
  return decodeBorrow(encodeBorrow({ ...RECALL, rows: [{ ...BORROW, ...wrong }] }));
}

it("keeps amounts in order and refuses claims that cannot be", () => {
  expect(() => readWith({ least: 2 })).toThrow(
    "need of the borrow message is 1, not between least, 2, and want, 1",
  );
  expect(() => readWith({ owedFrom: 5 })).toThrow("owedFrom of the borrow message is 5, more than owed, 0");
  expect(() => readWith({ spent: -1 })).toThrow("spent of the borrow message is -1, not a whole number");
  expect(() => readWith({ spent: 0.5 })).toThrow("spent of the borrow message is 0.5");
  expect(() => readWith({ id: NaN })).toThrow("id of the borrow message is NaN");
  expect(() => readWith({ policy: "P!" })).toThrow("policy of the borrow message does not match");
});
