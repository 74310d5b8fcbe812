/**
 * Where sliding logs keep their events: rings of (time, cost) in off-heap pages, in doubling sizes.
 *
 *      handle = │ class 5 bits │ ring number 27 bits │        class c: rings of 4·2^c events
 *
 *      ring     │ head │ length │ total cost │  +  times  │ t₃ │ t₄ │ t₁ │ t₂ │   costs │ … │
 *                                                                  ▲ head
 *
 * A ring that fills up is copied into one of the next class and given back, so a key holds at most twice the
 * events it needs. Freed rings are reused; pages are kept. Handle 0 means no ring.
 *
 * Cost: pushing and dropping are O(1), amortised over the doubling.
 */
import { assert } from "../core/assert.ts";
import type { Micros } from "../core/units.ts";

const CLASS_SHIFT = 27;
const NUMBER_MASK = 2 ** CLASS_SHIFT - 1;
const EVENTS_SMALLEST = 4;
/** Events per page where rings are small; larger rings get pages of their own. */
const PAGE_EVENTS = 4_096;
const HEAD = 0;
const LENGTH = 1;
const META_WORDS = 2;

interface Page {
  readonly times: Float64Array;
  readonly costs: Uint32Array;
  /** Head and length of each ring. */
  readonly meta: Uint32Array;
  /** Sum of costs of each ring. */
  readonly totals: Float64Array;
}

class RingClass {
  readonly events: number;
  readonly ringsPerPage: number;
  readonly pages: Page[] = [];
  readonly free: number[] = [];

  constructor(index: number) {
    this.events = EVENTS_SMALLEST * 2 ** index;
    this.ringsPerPage = Math.max(1, Math.floor(PAGE_EVENTS / this.events));
  }

  take(): number {
    if (this.free.length === 0) {
      const first = this.pages.length * this.ringsPerPage;
      const events = this.events * this.ringsPerPage;
      this.pages.push({
        times: new Float64Array(events),
        costs: new Uint32Array(events),
        meta: new Uint32Array(this.ringsPerPage * META_WORDS),
        totals: new Float64Array(this.ringsPerPage),
      });
      for (let ring = this.ringsPerPage - 1; ring >= 0; ring -= 1) this.free.push(first + ring);
    }
    return this.free.pop() as number;
  }
}

export class EventArena {
  readonly #windowUs: number;
  readonly #classes: RingClass[] = [];
  #bytes = 0;

  // The ring last selected.
  #page: Page | undefined;
  #ring = 0;
  #events = 0;

  /** @param windowUs how long an event stays */
  constructor(windowUs: number) {
    this.#windowUs = windowUs;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Points the other methods at a ring; false for handle 0. */
  select(handle: number): boolean {
    if (handle === 0) return false;
    const rings = this.#classes[handle >>> CLASS_SHIFT] as RingClass;
    const number = (handle & NUMBER_MASK) - 1;
    this.#page = rings.pages[Math.floor(number / rings.ringsPerPage)] as Page;
    this.#ring = number % rings.ringsPerPage;
    this.#events = rings.events;
    return true;
  }

  get length(): number {
    return this.#meta(LENGTH);
  }

  /** Sum of the costs in the ring. */
  get total(): number {
    return (this.#page as Page).totals[this.#ring] as number;
  }

  timeUs(index: number): number {
    return (this.#page as Page).times[this.#slot(index)] as number;
  }

  cost(index: number): number {
    return (this.#page as Page).costs[this.#slot(index)] as number;
  }

  /** Drops from the front what left the window of `nowUs`. */
  dropLeft(nowUs: Micros): void {
    const page = this.#page as Page;
    const untilUs = nowUs - this.#windowUs;
    let dropped = 0;
    while (dropped < this.length && (page.times[this.#slot(dropped)] as number) <= untilUs) {
      page.totals[this.#ring] = this.total - this.cost(dropped);
      dropped += 1;
    }
    if (dropped === 0) return;
    const base = this.#ring * META_WORDS;
    page.meta[base + HEAD] = (this.#meta(HEAD) + dropped) % this.#events;
    page.meta[base + LENGTH] = this.length - dropped;
  }

  /** Takes so many units off the newest events, or all there are. */
  dropNewest(units: number): void {
    const page = this.#page as Page;
    let { length } = this;
    for (let left = units; left > 0 && length > 0;) {
      const slot = this.#slot(length - 1);
      const cost = page.costs[slot] as number;
      const taken = Math.min(left, cost);
      page.costs[slot] = cost - taken;
      page.totals[this.#ring] = this.total - taken;
      left -= taken;
      if (taken === cost) length -= 1;
    }
    page.meta[this.#ring * META_WORDS + LENGTH] = length;
  }

  /** Moves all events of the ring in time. */
  shift(byUs: number): void {
    const { times } = this.#page as Page;
    for (let index = 0; index < this.length; index += 1) {
      const slot = this.#slot(index);
      times[slot] = (times[slot] as number) + byUs;
    }
  }

  /** Appends an event to the ring of `handle` (0 for none yet) and answers the ring's handle from now on. */
  push(handle: number, timeUs: number, cost: number): number {
    if (!this.select(handle)) {
      handle = this.#take(0);
    } else {
      const last = this.length - 1;
      if (last >= 0 && this.timeUs(last) >= timeUs) {
        this.#addTo(this.#slot(last), cost);
        return handle;
      }
      if (this.length === this.#events) handle = this.#enlarge(handle);
    }
    const page = this.#page as Page;
    const slot = this.#slot(this.length);
    page.times[slot] = timeUs;
    page.costs[slot] = 0;
    page.meta[this.#ring * META_WORDS + LENGTH] = this.length + 1;
    this.#addTo(slot, cost);
    return handle;
  }

  free(handle: number): void {
    if (handle === 0) return;
    (this.#classes[handle >>> CLASS_SHIFT] as RingClass).free.push((handle & NUMBER_MASK) - 1);
  }

  #addTo(slot: number, cost: number): void {
    const page = this.#page as Page;
    const added = Math.min(cost, 0xffffffff - (page.costs[slot] as number));
    page.costs[slot] = (page.costs[slot] as number) + added;
    page.totals[this.#ring] = this.total + added;
  }

  #meta(field: number): number {
    return (this.#page as Page).meta[this.#ring * META_WORDS + field] as number;
  }

  #slot(index: number): number {
    return this.#ring * this.#events + ((this.#meta(HEAD) + index) % this.#events);
  }

  /** Takes an empty ring of a class and selects it. */
  #take(index: number): number {
    while (this.#classes.length <= index) this.#classes.push(new RingClass(this.#classes.length));
    const rings = this.#classes[index] as RingClass;
    const pages = rings.pages.length;
    const number = rings.take() + 1;
    assert(number <= NUMBER_MASK, "a ring number fits its bits");
    if (rings.pages.length > pages) this.#bytes += pageBytes(rings.pages[pages] as Page);
    // Class 0, number 0 would read as "no ring", so numbers in handles start at 1.
    const handle = ((index << CLASS_SHIFT) | number) >>> 0;
    this.select(handle);
    const base = this.#ring * META_WORDS;
    (this.#page as Page).meta.fill(0, base, base + META_WORDS);
    (this.#page as Page).totals[this.#ring] = 0;
    return handle;
  }

  #enlarge(handle: number): number {
    const source = this.#page as Page;
    const first = this.#ring * this.#events;
    const head = this.#meta(HEAD);
    const length = this.length;
    const total = this.total;
    const larger = this.#take((handle >>> CLASS_SHIFT) + 1);
    const target = this.#page as Page;
    const start = this.#ring * this.#events;
    for (let i = 0; i < length; i += 1) {
      const from = first + ((head + i) % length);
      target.times[start + i] = source.times[from] as number;
      target.costs[start + i] = source.costs[from] as number;
    }
    target.meta[this.#ring * META_WORDS + LENGTH] = length;
    target.totals[this.#ring] = total;
    this.free(handle);
    return larger;
  }
}

function pageBytes(page: Page): number {
  return page.times.byteLength + page.costs.byteLength + page.meta.byteLength + page.totals.byteLength;
}
