/**
 * A run of events as three columns: when, which key, at what cost. 16 bytes an event, no objects, so that
 * ten million of them are loaded before the clock starts and walked without a garbage collector.
 */

export class EventColumns {
  count = 0;
  /** Absolute, never decreasing. */
  atUs: Float64Array;
  /** Index of the key, below the trace's number of keys. */
  key: Uint32Array;
  cost: Uint32Array;

  constructor(capacity = 1024) {
    this.atUs = new Float64Array(capacity);
    this.key = new Uint32Array(capacity);
    this.cost = new Uint32Array(capacity);
  }

  push(atUs: number, key: number, cost: number): void {
    this.#reserve(this.count + 1);
    this.atUs[this.count] = atUs;
    this.key[this.count] = key;
    this.cost[this.count] = cost;
    this.count += 1;
  }

  append(other: EventColumns): void {
    this.#reserve(this.count + other.count);
    this.atUs.set(other.atUs.subarray(0, other.count), this.count);
    this.key.set(other.key.subarray(0, other.count), this.count);
    this.cost.set(other.cost.subarray(0, other.count), this.count);
    this.count += other.count;
  }

  /** The first `count` events, or all there are, sharing the columns. */
  first(count: number): EventColumns {
    const head = new EventColumns(0);
    head.count = Math.min(count, this.count);
    head.atUs = this.atUs;
    head.key = this.key;
    head.cost = this.cost;
    return head;
  }

  /** Those before a moment, sharing the columns. */
  before(atUs: number): EventColumns {
    let count = 0;
    while (count < this.count && this.atUs[count]! < atUs) count += 1;
    return this.first(count);
  }

  clear(): void {
    this.count = 0;
  }

  #reserve(count: number): void {
    if (count <= this.key.length) return;
    const capacity = Math.max(count, this.key.length * 2);
    this.atUs = grown(this.atUs, new Float64Array(capacity));
    this.key = grown(this.key, new Uint32Array(capacity));
    this.cost = grown(this.cost, new Uint32Array(capacity));
  }
}

function grown<Column extends Float64Array | Uint32Array>(source: Column, target: Column): Column {
  target.set(source);
  return target;
}

/**
 * Renumbers the keys of `events` in the order of their first appearance and returns their names, the
 * strings a client would send: what is kept per key is then proportional to the keys that occur.
 */
export function nameKeys(events: EventColumns, keys: number): string[] {
  const names: string[] = [];
  /** Old index → new index + 1, 0 while unseen. */
  const renumbered = new Uint32Array(keys);
  for (let index = 0; index < events.count; index += 1) {
    const key = events.key[index]!;
    if (renumbered[key] === 0) renumbered[key] = names.push(`key-${key}`);
    events.key[index] = renumbered[key]! - 1;
  }
  return names;
}
