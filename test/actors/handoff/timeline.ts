/** Events in order of time, then of being planned. */
export class Timeline {
  nowUs = 0;
  #planned: { readonly atUs: number; readonly order: number; readonly run: () => void }[] = [];
  #order = 0;

  at(atUs: number, run: () => void): void {
    const event = { atUs: Math.max(atUs, this.nowUs), order: this.#order, run };
    this.#order += 1;
    // Nearly everything is planned for soon: look from the end, where the earliest are.
    let place = this.#planned.length;
    while (place > 0 && isLater(event, this.#planned[place - 1] as typeof event)) place -= 1;
    this.#planned.splice(place, 0, event);
  }

  after(us: number, run: () => void): void {
    this.at(this.nowUs + us, run);
  }

  runUntil(endUs: number): void {
    for (;;) {
      const next = this.#planned.at(-1);
      if (next === undefined || next.atUs > endUs) break;
      this.#planned.pop();
      this.nowUs = next.atUs;
      next.run();
    }
    this.nowUs = endUs;
  }
}

function isLater(
  a: { readonly atUs: number; readonly order: number },
  b: { readonly atUs: number; readonly order: number },
): boolean {
  return a.atUs > b.atUs || (a.atUs === b.atUs && a.order > b.order);
}
