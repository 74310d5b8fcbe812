/** What a process needs for so many live keys: one contestant, alone in a fresh one (memory.ts says what counts). */
import { ContestantProcess, type FillAnswer } from "./contestant-process.ts";
import type { ContestantName } from "./contestants.ts";

/** A small young generation: a key's bytes must not drown in garbage not yet collected. */
const V8_FLAGS = ["--max-semi-space-size=1"];
const LIMIT = 100;
const WINDOW_US = 3_600_000_000;

export interface Fill {
  readonly contestant: ContestantName;
  readonly keys: number;
  readonly shards: number;
  /** Decisions per key. */
  readonly hits: number;
}

export async function filledProcess({ contestant, keys, shards, hits }: Fill): Promise<FillAnswer> {
  const options = { limit: LIMIT, windowUs: WINDOW_US, shards };
  await using filled = new ContestantProcess(contestant, options, V8_FLAGS);
  return await filled.fill(keys, hits);
}
