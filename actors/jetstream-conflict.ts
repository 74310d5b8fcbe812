/** JetStream's "no" to a write that names the message it follows: another one follows that. */
import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";

/** Both say so; the second while that other message is still being stored. */
const CONFLICTS: ReadonlySet<number> = new Set([
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
]);

export function isConflict(error: unknown): boolean {
  return error instanceof JetStreamApiError && CONFLICTS.has(error.code);
}
