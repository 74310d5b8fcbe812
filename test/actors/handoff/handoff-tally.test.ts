import { expect, it } from "vitest";
import { HandoffTally } from "../../../actors/handoff/handoff-tally.ts";
import type { HandoffEnded } from "../../../actors/handoff/transfer.ts";

const ENDED: HandoffEnded = {
  role: "giver",
  outcome: "moved",
  shard: 3,
  peer: { id: "eu-2", incarnation: 2 },
  transfer: 7,
  isConfirmed: true,
  pages: 1,
  bytes: 10,
  rounds: 1,
  isLongFreeze: false,
  frozenUs: 0,
  undecidedUs: 0,
  dropped: 0,
};

it("counts handoffs by how they ended, and what they cost", () => {
  const tally = new HandoffTally();
  const outcomes = ["moved", "moved", "adopted", "aborted", "superseded", "recover", "lost"] as const;
  for (const outcome of outcomes) tally.count({ ...ENDED, outcome, frozenUs: 100, dropped: 1 });
  tally.count({ ...ENDED, outcome: "moved", frozenUs: 90, undecidedUs: 250 });
  expect(tally).toMatchObject({
    given: 3,
    taken: 1,
    aborted: 1,
    lost: 3,
    frozenUs: 790,
    frozenMaxUs: 100,
    undecidedUs: 250,
    dropped: 7,
  });
});
