/** What a record costs its reader: its bytes, and as much as a kilobyte for being a message at all. */

const MESSAGE_WEIGHT = 1_024;

export function weightOf(bytes: Uint8Array): number {
  return bytes.length + MESSAGE_WEIGHT;
}
