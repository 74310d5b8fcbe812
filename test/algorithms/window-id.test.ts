import { expect, it } from "vitest";
import { saturated, storeWindowId, windowIdAt, windowsSince } from "../../algorithms/window-id.ts";
import { micros } from "../../core/units.ts";

const HASH_LOW = 0xbeef;

function stored(id: number): Uint32Array {
  const words = new Uint32Array([1, (HASH_LOW << 16) >>> 0]);
  storeWindowId(words, 0, id);
  return words;
}

it("numbers windows from the epoch, exactly up to 2^52 µs", () => {
  for (const windowUs of [1_000, 10_007, 60_000_000, 31_622_400_000_000]) {
    const last = Math.floor(2 ** 52 / windowUs);
    for (const id of [0, 1, 1_700_000, last].filter((some) => some <= last)) {
      expect(windowIdAt(micros(id * windowUs), windowUs)).toBe(id);
      expect(windowIdAt(micros((id + 1) * windowUs - 1), windowUs)).toBe(id);
    }
  }
});

it("counts windows since a stored one across the wrap of 16 bits, and none for one from the future", () => {
  for (const id of [0, 1, 32_768, 65_535, 65_536, 1_700_000_000]) {
    const words = stored(id);
    expect([0, 1, 2, 32_767].map((passed) => windowsSince(words, 0, id + passed))).toEqual([0, 1, 2, 32_767]);
    expect([1, 2, 32_768].map((ahead) => windowsSince(words, 0, id - ahead))).toEqual([0, 0, 0]);
    expect((words[1] as number) >>> 16).toBe(HASH_LOW);
  }
});

it("saturates where 32 bits end", () => {
  expect([0, 2 ** 32 - 1, 2 ** 32, 2 ** 40].map(saturated)).toEqual([
    0,
    2 ** 32 - 1,
    2 ** 32 - 1,
    2 ** 32 - 1,
  ]);
});
