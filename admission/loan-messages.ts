/**
 * What two processes say to each other about rights on loan: three frames, several keys in each.
 *
 *      holder ── BORROW ──▶ home        what I have spent and returned, and what I need
 *      holder ◀── GRANT ─── home        what I have granted you in all, and how the key stands
 *      holder ◀── RECALL ── home        somebody was refused: return what you do not use
 *
 *      │ version 1 │ kind 1 │ row head 2 │ rows 2 │ shard 4 │ incarnation 8 │ member │ row │ row │ …
 *      row   │ high 4 │ low 2 │ numbers of the kind … │ policy │
 *
 * Little-endian; names are ASCII with their length in front. `row head` says how many bytes precede the
 * policy's name, so that a newer version may append numbers there and this one still reads it. Binary, because
 * a busy holder reports each key twice a second: about 90 bytes a row, where JSON takes 300. The policy goes
 * by its name, because two processes may be on different revisions of the policy file. Whose a key is, and how
 * many that tenant may hold, only the borrower knows: it says so, as far as it is new enough to.
 *
 * Counters are absolute and never fall within a session, so a lost, repeated or overtaken message is made
 * good by the next one.
 */
import { KeyQuota } from "../algorithms/key-census.ts";
import { ParlError } from "../core/errors.ts";
import { FrameReader, FrameWriter } from "./frame-bytes.ts";

const VERSION = 1;
/** A peer one version ahead is understood. */
const VERSION_MAX = VERSION + 1;
const KINDS = { borrow: 1, grant: 2, recall: 3 } as const;
/** Most rows of one frame; at most 176 bytes each, so that a frame stays below 256 KiB. */
export const LOAN_ROWS_MAX = 1_024;
const FRAME_BYTES_MAX = 256 * 1_024;
/** No cost and no grant is larger. */
export const LOAN_UNITS_MAX = 2 ** 31 - 1;
const MEMBER = /^[a-z0-9-]{1,32}$/;
const POLICY = /^[a-z0-9-]{1,64}$/;

/** A deciding process: rights are lent to it as a whole, not to each of its shards. */
export interface Holder {
  readonly member: string;
  /** Drawn anew at every start: what was lent to an earlier one is not this one's to spend. */
  readonly incarnation: number;
}

/**
 * Whose ledger the counters belong to. A home that opens a row takes its shard's epoch and a number it has
 * never used before; a holder that meets another session starts its counters at zero.
 */
export interface Session {
  readonly epoch: number;
  readonly birth: number;
}

/** Of a holder that has not heard from the key's home yet, and of a home that keeps no row. */
export const NO_SESSION: Session = { epoch: 0, birth: 0 };

export function isSameSession(a: Session, b: Session): boolean {
  return a.epoch === b.epoch && a.birth === b.birth;
}

interface LoanRow {
  readonly policy: string;
  /** Identity of the key: 32 and 16 bits. */
  readonly high: number;
  readonly low: number;
}

export interface BorrowRow extends LoanRow {
  /** Ascending over all messages of one holder; the same again only for the same message. */
  readonly id: number;
  readonly session: Session;
  /** Units of this session spent and given back, in all. */
  readonly spent: number;
  readonly returned: number;
  /**
   * Units charged without rights, in all: usage reported after it happened. Never falls, in no session.
   * A home that remembers no more than `owedFrom` charges the difference; that much was confirmed before.
   */
  readonly owed: number;
  readonly owedFrom: number;
  /** least ≤ need ≤ want: what lets one waiting check pass, all of them, and those to come. */
  readonly least: number;
  readonly need: number;
  readonly want: number;
  /** Of the key's tenant; undefined from an older borrower. */
  readonly quota?: KeyQuota | undefined;
}

/**
 * `granted` also answers a mere report. `refused`: least did not fit. `full`: the home keeps no more rows.
 * `unknown`: the home has no such policy.
 */
export const GRANT_STATUSES = ["granted", "refused", "full", "unknown"] as const;
export type GrantStatus = (typeof GRANT_STATUSES)[number];

export interface GrantRow extends LoanRow {
  /** Of the BORROW answered. */
  readonly id: number;
  readonly session: Session;
  readonly status: GrantStatus;
  /** Units of this session granted, in all. */
  readonly granted: number;
  readonly limit: number;
  /** Units nobody has, after this grant. */
  readonly remaining: number;
  /** The fewest units more that are known not to fit, and when they may; 0 when nothing was refused. */
  readonly deniedUnits: number;
  readonly retryAfterUs: number;
  readonly resetAfterUs: number;
  /** Leaky queue: how long what was granted waits for its turn. */
  readonly delayUs: number;
  /** How long the home surely stays the home; rights must not be spent for longer, counted from the asking. */
  readonly validUs: number;
  /** Units of the key that other holders have, or checks that wait at the home; 1 when there is no telling. */
  readonly beside: number;
}

export type RecallRow = LoanRow;

interface Frame<Row> {
  /** Home shard of the keys. */
  readonly shard: number;
  readonly holder: Holder;
  readonly rows: readonly Row[];
}
export type BorrowFrame = Frame<BorrowRow>;
export type GrantFrame = Frame<GrantRow>;
export type RecallFrame = Frame<RecallRow>;

/** Bytes of a row before the policy's name. */
const BORROW_HEAD_LEAST = 6 + 7 * 8 + 3 * 4;
/** An older borrower does not tell it. */
const QUOTA_BYTES = 2 * 4;
const BORROW_HEAD = BORROW_HEAD_LEAST + QUOTA_BYTES;
const GRANT_HEAD_LEAST = 6 + 1 + 9 * 8 + 2 * 4;
/** An older home does not tell it. */
const BESIDE_BYTES = 4;
const GRANT_HEAD = GRANT_HEAD_LEAST + BESIDE_BYTES;
const RECALL_HEAD = 6;

export function encodeBorrow(frame: BorrowFrame): Uint8Array {
  return encodeFrame(frame, KINDS.borrow, BORROW_HEAD, (writer, row) => {
    writer.f64(row.id);
    writeSession(writer, row.session);
    for (const counter of [row.spent, row.returned, row.owed, row.owedFrom]) writer.f64(counter);
    for (const units of [row.least, row.need, row.want]) writer.u32(units);
    writeQuota(writer, row.quota);
  });
}

/** @throws ParlError PARL_MALFORMED, PARL_TOO_LARGE or PARL_UNSUPPORTED_VERSION; nothing of it counts then */
export function decodeBorrow(bytes: Uint8Array): BorrowFrame {
  return decodeFrame(bytes, "borrow", BORROW_HEAD_LEAST, (reader, row, headEnd) => {
    const id = reader.whole("id");
    const session = readSession(reader);
    const spent = reader.whole("spent");
    const returned = reader.whole("returned");
    const owed = reader.whole("owed");
    const owedFrom = reader.whole("owedFrom");
    const least = reader.u32("least", LOAN_UNITS_MAX);
    const need = reader.u32("need", LOAN_UNITS_MAX);
    const want = reader.u32("want", LOAN_UNITS_MAX);
    const quota = readQuota(reader, headEnd);
    if (owedFrom > owed) throw reader.problem("owedFrom", `is ${owedFrom}, more than owed, ${owed}`);
    if (least > need || need > want)
      throw reader.problem("need", `is ${need}, not between least, ${least}, and want, ${want}`);
    return { ...row, id, session, spent, returned, owed, owedFrom, least, need, want, quota };
  });
}

export function encodeGrant(frame: GrantFrame): Uint8Array {
  return encodeFrame(frame, KINDS.grant, GRANT_HEAD, (writer, row) => {
    writer.u8(GRANT_STATUSES.indexOf(row.status));
    writer.f64(row.id);
    writeSession(writer, row.session);
    writer.f64(row.granted);
    writer.u32(row.limit);
    writer.f64(row.remaining);
    writer.u32(row.deniedUnits);
    for (const us of [row.retryAfterUs, row.resetAfterUs, row.delayUs, row.validUs]) writer.f64(us);
    writer.u32(Math.min(row.beside, LOAN_UNITS_MAX));
  });
}

/** @throws ParlError PARL_MALFORMED, PARL_TOO_LARGE or PARL_UNSUPPORTED_VERSION; nothing of it counts then */
export function decodeGrant(bytes: Uint8Array): GrantFrame {
  return decodeFrame(bytes, "grant", GRANT_HEAD_LEAST, (reader, row, headEnd) => {
    const code = reader.u8("status");
    const status = GRANT_STATUSES[code];
    if (status === undefined) throw reader.problem("status", `is ${code}, none that is known`);
    return {
      ...row,
      status,
      id: reader.whole("id"),
      session: readSession(reader),
      granted: reader.whole("granted"),
      limit: reader.u32("limit", LOAN_UNITS_MAX),
      remaining: reader.whole("remaining"),
      deniedUnits: reader.u32("deniedUnits", LOAN_UNITS_MAX),
      retryAfterUs: reader.duration("retryAfterUs"),
      resetAfterUs: reader.duration("resetAfterUs"),
      delayUs: reader.duration("delayUs"),
      validUs: reader.duration("validUs"),
      beside: headEnd - reader.at < BESIDE_BYTES ? 1 : reader.u32("beside", LOAN_UNITS_MAX),
    };
  });
}

export function encodeRecall(frame: RecallFrame): Uint8Array {
  return encodeFrame(frame, KINDS.recall, RECALL_HEAD, () => {});
}

/** @throws ParlError PARL_MALFORMED, PARL_TOO_LARGE or PARL_UNSUPPORTED_VERSION; nothing of it counts then */
export function decodeRecall(bytes: Uint8Array): RecallFrame {
  return decodeFrame(bytes, "recall", RECALL_HEAD, (_, row) => row);
}

/** @throws ParlError PARL_TOO_LARGE; whoever collects rows splits them at LOAN_ROWS_MAX */
function encodeFrame<Row extends LoanRow>(
  frame: Frame<Row>,
  kind: number,
  head: number,
  writeNumbers: (writer: FrameWriter, row: Row) => void,
): Uint8Array {
  if (frame.rows.length > LOAN_ROWS_MAX)
    throw tooLarge(`${frame.rows.length} rows, at most ${LOAN_ROWS_MAX}`);
  const writer = new FrameWriter();
  writer.u8(VERSION);
  writer.u8(kind);
  writer.u16(head);
  writer.u16(frame.rows.length);
  writer.u32(frame.shard);
  writeHolder(writer, frame.holder);
  for (const row of frame.rows) {
    writer.u32(row.high >>> 0);
    writer.u16(row.low & 0xffff);
    writeNumbers(writer, row);
    writer.token(row.policy);
  }
  return writer.finish();
}

function decodeFrame<Row extends LoanRow>(
  bytes: Uint8Array,
  kind: keyof typeof KINDS,
  headLeast: number,
  readNumbers: (reader: FrameReader, row: Omit<LoanRow, "policy">, headEnd: number) => Omit<Row, "policy">,
): Frame<Row> {
  if (bytes.length > FRAME_BYTES_MAX) throw tooLarge(`${bytes.length} bytes, at most ${FRAME_BYTES_MAX}`);
  const reader = new FrameReader(bytes, `${kind} message`);
  const version = reader.u8("version");
  if (version < 1 || version > VERSION_MAX) {
    const message = `the ${kind} message speaks version ${version}; versions 1 to ${VERSION_MAX} are understood`;
    throw new ParlError("PARL_UNSUPPORTED_VERSION", message, { field: "version" });
  }
  const code = reader.u8("kind");
  if (code !== KINDS[kind]) throw reader.problem("kind", `is ${code}, not ${KINDS[kind]}`);
  const head = reader.u16("row head");
  if (head < headLeast) throw reader.problem("row head", `is ${head} bytes, at least ${headLeast}`);
  const count = reader.u16("rows");
  if (count > LOAN_ROWS_MAX) throw reader.problem("rows", `are ${count}, at most ${LOAN_ROWS_MAX}`);
  const shard = reader.u32("shard");
  const holder = readHolder(reader);
  const rows: Row[] = [];
  for (let i = 0; i < count; i += 1) {
    const start = reader.at;
    const identity = { high: reader.u32("high"), low: reader.u16("low") };
    const numbers = readNumbers(reader, identity, start + head);
    reader.skipTo(start + head, "row head");
    rows.push({ ...numbers, policy: readPolicy(reader) } as Row);
  }
  reader.end();
  return { shard, holder, rows };
}

function writeHolder(writer: FrameWriter, { member, incarnation }: Holder): void {
  writer.f64(incarnation);
  writer.token(member);
}

function readHolder(reader: FrameReader): Holder {
  const incarnation = reader.whole("incarnation");
  return { incarnation, member: readMember(reader) };
}

export function readMember(reader: FrameReader): string {
  return reader.token("member", MEMBER);
}

export function writeSession(writer: FrameWriter, { epoch, birth }: Session): void {
  writer.f64(epoch);
  writer.f64(birth);
}

export function readSession(reader: FrameReader): Session {
  return { epoch: reader.whole("epoch"), birth: reader.whole("birth") };
}

export function writeQuota(writer: FrameWriter, quota: KeyQuota | undefined): void {
  writer.u32((quota?.tenant ?? 0) >>> 0);
  writer.u32(Math.min(quota?.markedMax ?? 0, 2 ** 32 - 1));
}

/** @param headEnd of the row: an older writer's ends before */
export function readQuota(reader: FrameReader, headEnd: number): KeyQuota | undefined {
  if (headEnd - reader.at < QUOTA_BYTES) return undefined;
  const tenant = reader.u32("tenant");
  const markedMax = reader.u32("markedMax");
  return tenant === 0 ? undefined : new KeyQuota(tenant, markedMax);
}

export function readPolicy(reader: FrameReader): string {
  return reader.token("policy", POLICY);
}

function tooLarge(what: string): ParlError {
  return new ParlError("PARL_TOO_LARGE", `the message about loans has ${what}; send several`, {
    field: "message",
  });
}
