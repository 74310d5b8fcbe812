/**
 * Limiters as others publish them, behind one question. What decides is the package's own code: here are only its
 * options, and how it says yes or no. Answers come by callback, so that nothing is added to a promise of theirs.
 *
 * Switched off is what would keep a question from being decided: denials remembered in the caller's process, analytics,
 * deny lists. All other options are the packages' own.
 */
import type { RatelimitConfig } from "@upstash/ratelimit";
import type { Redis } from "ioredis";
import type { RateLimiterMemory, RateLimiterRedis } from "rate-limiter-flexible";
import type { AlgorithmName } from "../../algorithms/algorithm.ts";
import { assert } from "../../core/assert.ts";
import { US_PER_MS, US_PER_S } from "../../core/units.ts";
import { upstashRedis } from "./upstash-redis.ts";

export interface Terms {
  readonly limit: number;
  /** Whole seconds, as rate-limiter-flexible has it on Redis; the limit's share of it whole milliseconds. */
  readonly windowUs: number;
}

/** Asks for one unit of a key, at the time that `Date.now` says during the call. */
export type AskUnit = (
  key: string,
  answered: (isAllowed: boolean) => void,
  failed: (reason: unknown) => void,
) => void;

const LIFETIMES = "lifetimes in Redis, real time";

export interface Published {
  /** As package.json has it. */
  readonly package: "rate-limiter-flexible" | "express-rate-limit" | "@upstash/ratelimit";
  readonly variant: string;
  /** Whose promise it makes. */
  readonly algorithm: AlgorithmName;
  readonly backend: "local" | "redis";
  /** Set where windows are not counted by `Date.now`. */
  readonly clock?: typeof LIFETIMES;
  /** @param redis where the backend is one */
  open(terms: Terms, redis: Redis | undefined): Promise<AskUnit>;
}

const FLEXIBLE = {
  package: "rate-limiter-flexible",
  variant: "window from the first request",
  algorithm: "fixed-window",
} as const;

export const PUBLISHED = {
  "rate-limiter-flexible": {
    ...FLEXIBLE,
    backend: "local",
    open: async ({ limit, windowUs }) => {
      const { RateLimiterMemory } = await import("rate-limiter-flexible");
      return flexible(new RateLimiterMemory({ points: limit, duration: windowUs / US_PER_S }));
    },
  },
  "rate-limiter-flexible-redis": {
    ...FLEXIBLE,
    backend: "redis",
    clock: LIFETIMES,
    open: async ({ limit, windowUs }, redis) => {
      const { RateLimiterRedis } = await import("rate-limiter-flexible");
      return flexible(
        new RateLimiterRedis({ storeClient: redis, points: limit, duration: windowUs / US_PER_S }),
      );
    },
  },
  "express-rate-limit": {
    package: "express-rate-limit",
    variant: "window from the first request",
    algorithm: "fixed-window",
    backend: "local",
    open: async ({ limit, windowUs }) => {
      const { MemoryStore } = await import("express-rate-limit");
      const store = new MemoryStore();
      // The store reads nothing but the window from the middleware's options.
      store.init({ windowMs: windowUs / US_PER_MS } as Parameters<typeof store.init>[0]);
      return (key, answered, failed) => {
        store.increment(key).then(({ totalHits }) => answered(totalHits <= limit), failed);
      };
    },
  },
  "upstash-fixed-window": {
    package: "@upstash/ratelimit",
    variant: "fixed window",
    algorithm: "fixed-window",
    backend: "redis",
    open: async ({ limit, windowUs }, redis) => {
      const { Ratelimit } = await import("@upstash/ratelimit");
      return upstash(redis, Ratelimit.fixedWindow(limit, spoken(windowUs)));
    },
  },
  "upstash-sliding-window": {
    package: "@upstash/ratelimit",
    variant: "sliding window",
    algorithm: "sliding-window",
    backend: "redis",
    open: async ({ limit, windowUs }, redis) => {
      const { Ratelimit } = await import("@upstash/ratelimit");
      return upstash(redis, Ratelimit.slidingWindow(limit, spoken(windowUs)));
    },
  },
  "upstash-token-bucket": {
    package: "@upstash/ratelimit",
    variant: "bucket, limit by limit",
    algorithm: "token-bucket",
    backend: "redis",
    open: async ({ limit, windowUs }, redis) => {
      const { Ratelimit } = await import("@upstash/ratelimit");
      return upstash(redis, Ratelimit.tokenBucket(limit, spoken(windowUs), limit));
    },
  },
  "upstash-token-by-token": {
    package: "@upstash/ratelimit",
    variant: "bucket, token by token",
    algorithm: "token-bucket",
    backend: "redis",
    open: async ({ limit, windowUs }, redis) => {
      const { Ratelimit } = await import("@upstash/ratelimit");
      return upstash(redis, Ratelimit.tokenBucket(1, spoken(windowUs / limit), limit));
    },
  },
} as const satisfies Readonly<Record<string, Published>>;

export type PublishedName = keyof typeof PUBLISHED;

function flexible(limiter: RateLimiterMemory | RateLimiterRedis): AskUnit {
  return (key, answered, failed) => {
    limiter.consume(key).then(
      () => answered(true),
      // It refuses by rejecting with what is left, which is no error.
      (refusal: unknown) => (refusal instanceof Error ? failed(refusal) : answered(false)),
    );
  };
}

const NO_ANSWER = "@upstash/ratelimit has had no answer from Redis in time";

async function upstash(redis: Redis | undefined, limiter: RatelimitConfig["limiter"]): Promise<AskUnit> {
  assert(redis !== undefined, "a limiter on Redis has one");
  const { Ratelimit } = await import("@upstash/ratelimit");
  const client = upstashRedis(redis);
  const off = { ephemeralCache: false, analytics: false, enableTelemetry: false } as const;
  const ratelimit = new Ratelimit({ redis: client, limiter, ...off });
  return (key, answered, failed) => {
    ratelimit.limit(key).then(
      // What Redis has not answered for long it lets pass; nothing has been decided then.
      ({ success, reason }) => (reason === "timeout" ? failed(new Error(NO_ANSWER)) : answered(success)),
      failed,
    );
  };
}

function spoken(us: number): `${number} ms` {
  return `${us / US_PER_MS} ms`;
}
