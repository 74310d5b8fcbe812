/**
 * A trace of what really happened: requests with the moments and the names a log has for them.
 *
 * Most logs know whole seconds. The requests of one second are spread evenly over it, in their order, because a
 * limiter that saw them all in the same microsecond would see bursts that nobody sent:
 *
 *      log       │●●●           │●●            │        three requests "at" 10:05:03, two at 10:05:04
 *      trace     │●   ●    ●    │●      ●      │
 *
 * Keys become numbers in the order of their first appearance, so a trace tells nobody's address.
 */
import { US_PER_S } from "../core/units.ts";
import { EventColumns } from "./events.ts";
import type { Trace } from "./trace.ts";

interface LoggedRequest {
  /** Of the second it is logged in; what is finer is not looked at. */
  readonly atUs: number;
  readonly key: string;
}

/** @param requests at least one, in order of time */
export function recordedTrace(requests: readonly LoggedRequest[]): Trace {
  const events = new EventColumns(requests.length);
  const numbers = new Map<string, number>();
  for (let from = 0; from < requests.length;) {
    const second = secondOf(requests[from]!);
    let to = from + 1;
    while (to < requests.length && secondOf(requests[to]!) === second) to += 1;
    for (let index = from; index < to; index += 1) {
      const { key } = requests[index]!;
      const number = numbers.get(key) ?? numbers.size;
      numbers.set(key, number);
      events.push(second * US_PER_S + Math.floor(((index - from) * US_PER_S) / (to - from)), number, 1);
    }
    from = to;
  }
  const startUs = secondOf(requests[0]!) * US_PER_S;
  const endUs = (secondOf(requests.at(-1)!) + 1) * US_PER_S;
  const one = { costMin: 1, costMax: 1 };
  const unknown = { dist: "recorded", shape: "recorded", zipfS: null, seed: null, rate: null } as const;
  return {
    header: { keys: numbers.size, startUs, durationUs: endUs - startUs, ...one, ...unknown },
    events,
  };
}

function secondOf({ atUs }: LoggedRequest): number {
  return Math.floor(atUs / US_PER_S);
}
