/**
 * Virtual time and a network that loses, repeats, delays and so reorders: what the loan simulations run on.
 * Everything is drawn from one seed.
 */
import { Prng } from "../../core/prng.ts";

export interface NetworkFaults {
  /** In per cent of all messages. */
  readonly loss: number;
  readonly repeat: number;
  /** Delayed by up to `slowUs` instead of a fraction of a millisecond. */
  readonly slow: number;
  readonly slowUs: number;
}

export const NO_FAULTS: NetworkFaults = { loss: 0, repeat: 0, slow: 0, slowUs: 0 };

interface Moment {
  readonly atUs: number;
  readonly order: number;
  readonly run: () => void;
}

export class VirtualTime {
  nowUs: number;
  readonly prng: Prng;
  /** A binary heap, earliest first. */
  readonly #moments: Moment[] = [];
  #order = 0;

  constructor(seed: number, startUs: number) {
    this.prng = new Prng(seed);
    this.nowUs = startUs;
  }

  at(atUs: number, run: () => void): void {
    this.#order += 1;
    const moments = this.#moments;
    const moment = { atUs: Math.max(atUs, this.nowUs), order: this.#order, run };
    let i = moments.length;
    moments.push(moment);
    for (let up = (i - 1) >> 1; i > 0 && isBefore(moment, moments[up] as Moment); up = (i - 1) >> 1) {
      moments[i] = moments[up] as Moment;
      moments[up] = moment;
      i = up;
    }
  }

  every(us: number, run: () => void): void {
    this.at(this.nowUs + us, () => {
      run();
      this.every(us, run);
    });
  }

  /** Runs everything up to a moment; `after` each single thing. */
  runTo(untilUs: number, after: () => void = () => {}): void {
    for (;;) {
      const first = this.#moments[0];
      if (first === undefined || first.atUs > untilUs) break;
      this.#pop();
      this.nowUs = first.atUs;
      first.run();
      after();
    }
    this.nowUs = untilUs;
  }

  #pop(): void {
    const moments = this.#moments;
    const last = moments.pop() as Moment;
    if (moments.length === 0) return;
    moments[0] = last;
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      if (left >= moments.length) return;
      const right = left + 1;
      const least =
        right < moments.length && isBefore(moments[right] as Moment, moments[left] as Moment) ? right : left;
      if (!isBefore(moments[least] as Moment, last)) return;
      moments[i] = moments[least] as Moment;
      moments[least] = last;
      i = least;
    }
  }
}

function isBefore(a: Moment, b: Moment): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.order < b.order);
}

export class Network {
  faults: NetworkFaults;
  readonly #time: VirtualTime;

  constructor(time: VirtualTime, faults: NetworkFaults) {
    this.#time = time;
    this.faults = faults;
  }

  send(deliver: () => void): void {
    const { prng } = this.#time;
    const { loss, repeat, slow, slowUs } = this.faults;
    if (prng.below(100) < loss) return;
    const copies = prng.below(100) < repeat ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const delayUs = prng.below(100) < slow ? prng.below(slowUs + 1) : 100 + prng.below(400);
      this.#time.at(this.#time.nowUs + delayUs, deliver);
    }
  }
}
