/** Hostile bytes for the decoders, from a seed: random ones, and valid messages with something wrong. */
import type { Prng } from "../../core/prng.ts";

/** Values that lengths, counts and characters go wrong with. */
const TELLING_BYTES = [0, 1, 2, 3, 7, 8, 27, 28, 0x22, 0x2e, 0x5c, 0x5f, 0x7b, 0x7e, 0x7f, 0x80, 0x81, 0xff];
const MUTATIONS_MAX = 4;

export function randomBytes(prng: Prng, lengthMax: number): Uint8Array {
  const bytes = new Uint8Array(prng.below(lengthMax + 1));
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = prng.u32();
  return bytes;
}

/** `bytes` after one to four things that happen to messages: bits flip, pieces get lost, doubled or grafted. */
export function mutatedBytes(bytes: Uint8Array, prng: Prng): Uint8Array {
  let result = bytes;
  for (let left = 1 + prng.below(MUTATIONS_MAX); left > 0; left -= 1) result = mutatedOnce(result, prng);
  return result;
}

/** The same, with the length left as it is: what the lengths inside say stays true for a while. */
export function disfiguredBytes(bytes: Uint8Array, prng: Prng): Uint8Array {
  const copy = bytes.slice();
  for (let left = 1 + prng.below(MUTATIONS_MAX); left > 0 && copy.length > 0; left -= 1) {
    copy[prng.below(copy.length)] = TELLING_BYTES[prng.below(TELLING_BYTES.length)] as number;
  }
  return copy;
}

/** Writing down where an error was made takes most of a fuzzer's time. */
export function withoutStackTraces<T>(run: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return run();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function mutatedOnce(bytes: Uint8Array, prng: Prng): Uint8Array {
  const at = prng.below(bytes.length + 1);
  const end = Math.min(bytes.length, at + prng.below(12));
  const copy = bytes.slice();
  switch (prng.below(7)) {
    case 0:
      if (at < copy.length) copy[at]! ^= 1 << prng.below(8);
      return copy;
    case 1:
      if (at < copy.length) copy[at] = TELLING_BYTES[prng.below(TELLING_BYTES.length)] as number;
      return copy;
    case 2:
      // The header, where one byte changes what all others mean.
      if (copy.length > 0) copy[prng.below(Math.min(8, copy.length))] = prng.below(256);
      return copy;
    case 3:
      return bytes.slice(0, at);
    case 4:
      return joined(bytes.subarray(0, at), bytes.subarray(end));
    case 5:
      return joined(bytes.subarray(0, end), bytes.subarray(at));
    default:
      return joined(bytes.subarray(0, at), randomBytes(prng, 12), bytes.subarray(at));
  }
}

/** `bytes` in the middle of a larger buffer of `filler`, as a message lies in what the socket read. */
export function surrounded(bytes: Uint8Array, filler: number): Uint8Array {
  const margin = 300;
  const buffer = new Uint8Array(bytes.length + 2 * margin).fill(filler);
  buffer.set(bytes, margin);
  return buffer.subarray(margin, margin + bytes.length);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
