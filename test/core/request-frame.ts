/** Packed requests built by hand, sound or not, without the writer under test; and all that a reader finds. */
import { FRAME_KINDS, type PackedRequestReader } from "../../core/packed-request.ts";
import { TIERS, type Tier } from "../../core/decision.ts";

const HEADER_BYTES = 16;

export interface RequestItem {
  readonly tier: Tier;
  readonly cost: number;
  readonly key: string;
  readonly user: string;
  readonly id: string;
}

export interface RequestFrameOptions {
  readonly version?: number;
  readonly kind?: number;
  readonly epoch?: number;
  readonly headBytes?: number;
  /** What the header says, where it lies. */
  readonly headBytesClaimed?: number;
  readonly countClaimed?: number;
  /** Bytes after the last item. */
  readonly trailing?: number;
}

export function requestFrame(items: readonly RequestItem[], options: RequestFrameOptions = {}): Uint8Array {
  const { headBytes = 8, headBytesClaimed = headBytes, epoch = 0, trailing = 0 } = options;
  const { version = 1, kind = FRAME_KINDS.indexOf("check"), countClaimed = items.length } = options;
  const parts = items.map(({ tier, cost, key, user, id }) => {
    const head = Buffer.alloc(headBytes, 0xee);
    head.set([TIERS.indexOf(tier), key.length, user.length, id.length]);
    head.writeUInt32LE(cost, 4);
    return Buffer.concat([head, Buffer.from(key + user + id, "latin1")]);
  });
  const header = Buffer.alloc(HEADER_BYTES);
  header.set([version, kind, headBytesClaimed]);
  header.writeUInt16LE(countClaimed, 4);
  header.writeDoubleLE(epoch, 8);
  return new Uint8Array(Buffer.concat([header, ...parts, Buffer.alloc(trailing)]));
}

/** Every item of an opened message, with the field at fault if there is one. */
export function itemsRead(
  reader: PackedRequestReader,
): (RequestItem & { readonly problem: string | undefined })[] {
  return Array.from({ length: reader.count }, () => {
    reader.next();
    const { tier, cost, keyStart, userStart, idStart, end } = reader;
    const key = reader.text(keyStart, userStart);
    const user = reader.text(userStart, idStart);
    return { tier, cost, key, user, id: reader.text(idStart, end), problem: reader.problem()?.field };
  });
}
