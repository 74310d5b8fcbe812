/** The secret of a region, from which its keys' identities are hashed: 64 random bits, in records as 16 hex digits. */
import { randomBytes } from "node:crypto";
import type { ClusterSecret } from "../admission/admission.ts";

const DIGITS_PER_HALF = 8;

export function newSecret(): string {
  return randomBytes(DIGITS_PER_HALF).toString("hex");
}

export function parsedSecret(hex: string): ClusterSecret {
  const halves = [hex.slice(0, DIGITS_PER_HALF), hex.slice(DIGITS_PER_HALF)];
  const [high = 0, low = 0] = halves.map((half) => Number.parseInt(half, 16));
  return { high, low };
}
