/** What a run has come to so far, for whoever looks at it while it goes on. */
import { LatencyHistogram } from "../core/latency-histogram.ts";

export class RunTally {
  allowed = 0;
  denied = 0;
  /** One value for each decision that has one; service time where nothing is due (driver.ts). */
  readonly latency = new LatencyHistogram();
}
