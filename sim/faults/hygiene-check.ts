/** How processes ended and what they left: the code they should, no stack trace, nothing running. */
import type { Violation } from "./violation.ts";

export interface Ended {
  readonly title: string;
  /** `running` when it had not ended though everything was told to. */
  readonly how: number | string;
  /** Exit code or signal. */
  readonly wanted: readonly (number | string)[];
  readonly stderr: readonly string[];
}

const STACK_LINE = /^\s+at .+:\d+:\d+\)?$/;
const UNHANDLED = /Unhandled|ExperimentalWarning|MaxListenersExceeded|^panic:/i;

export function checkHygiene(ended: readonly Ended[]): Violation[] {
  return ended.flatMap(({ title, how, wanted, stderr }): Violation[] => {
    const violations: Violation[] = [];
    const say = (message: string): void =>
      void violations.push({ check: "hygiene", subject: title, message });
    if (!wanted.includes(how))
      say(`ended with ${how}, wanted ${wanted.join(" or ")}: ${stderr.slice(-2).join(" / ")}`);
    const trace = stderr.findIndex((line) => STACK_LINE.test(line) || UNHANDLED.test(line));
    if (trace >= 0)
      say(`wrote a stack trace: ${stderr.slice(Math.max(0, trace - 2), trace + 2).join(" / ")}`);
    return violations;
  });
}
