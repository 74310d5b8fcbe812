/** All answers of an opened packed reply as plain objects, each with what its kind says. */
import type { PackedReplyReader } from "../../core/packed-reply.ts";

export function answersRead(reader: PackedReplyReader): Record<string, unknown>[] {
  return Array.from({ length: reader.count }, (_, index) => {
    reader.select(index);
    const { kind, outcome, dimension, text, limit, remaining, waitUs, resetAfterUs } = reader;
    if (kind === "moved") return { kind, shard: reader.shard };
    if (kind === "error") return { kind, errorCode: reader.errorCode, text, waitUs };
    return { kind, outcome, dimension, text, limit, remaining, waitUs, resetAfterUs };
  });
}
