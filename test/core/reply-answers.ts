/** All answers of an opened packed reply as plain objects, each with what its kind says. */
import type { PackedReplyReader } from "../../core/packed-reply.ts";

export function answersRead(reader: PackedReplyReader): Record<string, unknown>[] {
  return Array.from({ length: reader.count }, (_, index) => {
    reader.select(index);
    const { kind, outcome, dimension, text, limit, remaining, waitUs, resetAfterUs } = reader;
    if (kind === "moved") return { kind, shard: reader.shard };
    if (kind === "error") {
      const { errorCode, errorField } = reader;
      return { kind, errorCode, ...(errorField !== null && { errorField }), text, waitUs };
    }
    return { kind, outcome, dimension, text, limit, remaining, waitUs, resetAfterUs };
  });
}
