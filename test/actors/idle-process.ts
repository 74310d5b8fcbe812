/** What a process says of itself that has done nothing yet. */
import type { MemberFacts } from "../../actors/observation.ts";

export const IDLE_PROCESS: MemberFacts = {
  mailboxDepth: 0,
  overloaded: 0,
  crashes: 0,
  fenced: 0,
  uptimeMs: 0,
  stepLatencyCounts: [],
  stepLatencySumUs: 0,
  tallies: {
    writes: { stored: 0, unanswered: 0, refused: 0, superseded: 0, foreign: 0 },
    openings: { fresh: 0, recovered: 0, continued: 0, exhausted: 0, rewritten: 0 },
    handoffs: {
      given: 0,
      taken: 0,
      aborted: 0,
      lost: 0,
      frozenUs: 0,
      frozenMaxUs: 0,
      undecidedUs: 0,
      dropped: 0,
      refused: 0,
    },
    fenced: { answers: 0 },
    refused: { overloadedLanes: 0, badRecords: 0 },
    operators: { done: 0, refused: 0, linesWritten: 0, linesLost: 0 },
  },
};
