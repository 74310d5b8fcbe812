/**
 * A Redis as @upstash/ratelimit wants it, which is that vendor's HTTP client, over a plain connection: scripts by hash,
 * or by text where the server does not know them yet. Nothing else is asked of it with analytics, deny lists and
 * dynamic limits off.
 *
 * The package's scripts begin with `#!lua flags=allow-key-locking`, a flag that only the vendor's server has: others
 * refuse such a script. So that line is left out, and nothing else of a script changed; its hash is another one then.
 */
import { createHash } from "node:crypto";
import type { RatelimitConfig } from "@upstash/ratelimit";
import type { Redis } from "ioredis";

const VENDOR_FLAG = /^#!lua flags=allow-key-locking\n/;

type UpstashRedis = RatelimitConfig["redis"];
type Arguments = readonly (string | number)[];

/** By the hash that the package knows: the one that servers do, once it was asked for by text. */
const hashes = new Map<string, string>();

export function upstashRedis(redis: Redis): UpstashRedis {
  const client = {
    evalsha: (hash: string, keys: readonly string[], args: Arguments): Promise<unknown> =>
      redis.evalsha(hashes.get(hash) ?? hash, keys.length, ...keys, ...args),

    eval: (script: string, keys: readonly string[], args: Arguments): Promise<unknown> => {
      const plain = script.replace(VENDOR_FLAG, "");
      hashes.set(hashOf(script), hashOf(plain));
      return redis.eval(plain, keys.length, ...keys, ...args);
    },
  };
  return client as unknown as UpstashRedis;
}

function hashOf(script: string): string {
  return createHash("sha1").update(script).digest("hex");
}
