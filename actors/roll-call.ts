/**
 * Asks every process of the region one question, and waits until all that should be there have answered, but
 * not for one that is slow to death: who is missing is missing in the answers too.
 */
import { NoRespondersError, RequestError, type NatsConnection } from "@nats-io/transport-node";
import { errorFrom } from "../core/wire-json.ts";

export interface RollCall {
  readonly subject: string;
  /** How many processes should answer, as far as is known here; at least 1. */
  readonly expected: number;
  readonly patienceMs: number;
}

/** @returns the answers in order of arrival, none when nobody is there; a refusal is none */
export async function callRoll<T>(connection: NatsConnection, call: RollCall): Promise<T[]> {
  const answers: T[] = [];
  try {
    const options = { strategy: "count", maxMessages: call.expected, maxWait: call.patienceMs } as const;
    for await (const answer of await connection.requestMany(call.subject, "", options)) {
      const said = answer.json<T>();
      if (errorFrom(said) === undefined) answers.push(said);
    }
  } catch (error) {
    if (!hasNobodyHeard(error)) throw error;
  }
  return answers;
}

/** Whether a request failed because nobody listens on its subject, which the server knows at once. */
export function hasNobodyHeard(error: unknown): boolean {
  return error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());
}
