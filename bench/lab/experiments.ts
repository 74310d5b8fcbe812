/** The experiments of the lab, in the order they are run and told. */
import { boundaryBurst } from "./boundary-burst.ts";
import { burstShaping } from "./burst-shaping.ts";
import type { Experiment } from "./experiment.ts";

export const EXPERIMENTS: readonly Experiment[] = [boundaryBurst, burstShaping];
