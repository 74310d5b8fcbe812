/**
 * The rows of one shard as bytes: they travel with the shard when it is handed over, so that holders go on
 * under the same session as if nothing had happened.
 *
 *      │ version 1 │ 0 │ row head 2 │ count 4 │ row │ row │ …
 *      row   │ high 4 │ low 2 │ epoch 8 │ birth 8 │ granted … │ incarnation 8 │ quota 8 │ … │ member │ policy │
 *
 * Little-endian. `row head` is the size of what precedes the names; a newer version may append there.
 */
import type { KeyQuota } from "../algorithms/key-census.ts";
import { ParlError } from "../core/errors.ts";
import { FrameReader, FrameWriter } from "./frame-bytes.ts";
import {
  readMember,
  readPolicy,
  readQuota,
  readSession,
  writeQuota,
  writeSession,
  type Holder,
  type Session,
} from "./loan-messages.ts";

const VERSION = 1;
const VERSION_MAX = VERSION + 1;
/** Older writers end before the quota. */
const ROW_HEAD_LEAST = 6 + 9 * 8;
const ROW_HEAD = ROW_HEAD_LEAST + 8;

export interface LoanRowRecord {
  readonly policy: string;
  readonly high: number;
  readonly low: number;
  readonly quota?: KeyQuota | undefined;
  readonly row: {
    readonly holder: Holder;
    readonly session: Session;
    readonly granted: number;
    readonly spent: number;
    readonly returned: number;
    readonly owed: number;
    readonly lastId: number;
    readonly lastAmount: number;
  };
}

export function writeLoanRows(records: readonly LoanRowRecord[]): Uint8Array {
  const writer = new FrameWriter();
  writer.u8(VERSION);
  writer.u8(0);
  writer.u16(ROW_HEAD);
  writer.u32(records.length);
  for (const { policy, high, low, quota, row } of records) {
    writer.u32(high >>> 0);
    writer.u16(low & 0xffff);
    writeSession(writer, row.session);
    for (const counter of [row.granted, row.spent, row.returned, row.owed, row.lastId, row.lastAmount])
      writer.f64(counter);
    writer.f64(row.holder.incarnation);
    writeQuota(writer, quota);
    writer.token(row.holder.member);
    writer.token(policy);
  }
  return writer.finish();
}

/** @throws ParlError PARL_MALFORMED or PARL_UNSUPPORTED_VERSION */
export function readLoanRows(bytes: Uint8Array): LoanRowRecord[] {
  const reader = new FrameReader(bytes, "loan rows");
  const version = reader.u8("version");
  if (version < 1 || version > VERSION_MAX) {
    const message = `the loan rows are in version ${version}; versions 1 to ${VERSION_MAX} are understood`;
    throw new ParlError("PARL_UNSUPPORTED_VERSION", message, { field: "version" });
  }
  reader.u8("reserved");
  const head = reader.u16("row head");
  if (head < ROW_HEAD_LEAST) {
    throw reader.problem("row head", `is ${head} bytes, at least ${ROW_HEAD_LEAST}`);
  }
  const count = reader.u32("count");
  const records: LoanRowRecord[] = [];
  for (let i = 0; i < count; i += 1) {
    const start = reader.at;
    const high = reader.u32("high");
    const low = reader.u16("low");
    const session = readSession(reader);
    const granted = reader.whole("granted");
    const spent = reader.whole("spent");
    const returned = reader.whole("returned");
    const owed = reader.whole("owed");
    const lastId = reader.whole("lastId");
    const lastAmount = reader.whole("lastAmount");
    const incarnation = reader.whole("incarnation");
    if (spent + returned > granted)
      throw reader.problem(
        "granted",
        `is ${granted}, less than spent and returned, ${spent} and ${returned}`,
      );
    const quota = readQuota(reader, start + head);
    reader.skipTo(start + head, "row head");
    const holder = { incarnation, member: readMember(reader) };
    const row = { holder, session, granted, spent, returned, owed, lastId, lastAmount };
    records.push({ policy: readPolicy(reader), high, low, quota, row });
  }
  reader.end();
  return records;
}
