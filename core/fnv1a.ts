/**
 * FNV-1a, 32 bits: the public hash that places keys on shards.
 *
 * It is the function behind the server's `{{partition(n, …)}}` subject mapping (tokens concatenated without
 * separator), so a client, a gateway and a plain `nats req` all arrive at the same shard. Anybody can aim
 * at a shard with it; therefore it decides placement only, never identity (half-sip-hash.ts).
 *
 * The running value can be handed on: fnv1aString("alice", fnv1aString("acme")) hashes "acmealice".
 * Source: Fowler, Noll, Vo; offset basis 2166136261, prime 16777619.
 */
const OFFSET_BASIS = 0x811c9dc5;
export const FNV_PRIME = 0x01000193;

/** Hashes an ASCII string (id tokens are ASCII), continuing from `hash`. */
export function fnv1aString(text: string, hash = OFFSET_BASIS): number {
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return hash >>> 0;
}

/** Hashes bytes[start … end), continuing from `hash`. */
export function fnv1aBytes(bytes: Uint8Array, start: number, end: number, hash = OFFSET_BASIS): number {
  for (let i = start; i < end; i += 1) hash = Math.imul(hash ^ (bytes[i] as number), FNV_PRIME);
  return hash >>> 0;
}
