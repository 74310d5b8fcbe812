/** All mutants: a rule that somebody could break, the place to do it, and the test that must turn red. */
import { HANDOFF } from "./handoff.ts";
import { JOURNAL } from "./journal.ts";
import { KEYS } from "./keys.ts";
import { LOANS } from "./loans.ts";
import type { Mutant } from "./mutant.ts";
import { PLACEMENT } from "./placement.ts";

export const MUTANTS: readonly Mutant[] = [...PLACEMENT, ...HANDOFF, ...JOURNAL, ...LOANS, ...KEYS];
