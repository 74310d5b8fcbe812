import { describe, expect, it } from "vitest";
import { chosenBackend } from "../../cli/backend-flags.ts";

const URL = "redis://10.0.0.1:6380";

function choose(backend?: string, redis?: string, env: Record<string, string> = {}) {
  return chosenBackend({ backend, redis: redis ?? env["PARL_REDIS"] }, env);
}

describe("what decides is", () => {
  it("a region's shards, unless something says otherwise", () => {
    expect(choose().backend).toBe("nats");
    expect(choose("nats").backend).toBe("nats");
  });

  it("the Redis that is named on the command line", () => {
    expect(choose(undefined, URL)).toEqual({ backend: "redis", redisUrl: URL });
    expect(choose("redis", URL)).toEqual({ backend: "redis", redisUrl: URL });
  });

  it("a Redis when that is said, by default the one at home", () => {
    expect(choose("redis")).toEqual({ backend: "redis", redisUrl: "redis://127.0.0.1:6379" });
  });

  it("not a Redis because the environment says where one would be", () => {
    const env = { PARL_REDIS: URL };
    expect(choose(undefined, undefined, env).backend).toBe("nats");
    expect(choose("nats", undefined, env).backend).toBe("nats");
    expect(choose("redis", undefined, env)).toEqual({ backend: "redis", redisUrl: URL });
  });
});

describe("is refused", () => {
  it.each([
    ["memory", undefined, '--backend must be one of nats, redis, got "memory"'],
    ["nats", URL, "--redis is for --backend redis; leave one of them out"],
    [
      "redis",
      "http://127.0.0.1",
      '--redis must be a URL such as redis://127.0.0.1:6379 or redis://user:password@host:6379/1, got "http://127.0.0.1"',
    ],
    [undefined, "localhost:6379", "--redis must be a URL such as redis://127.0.0.1:6379"],
  ])("%s with %s", (backend, redis, message) => {
    expect(() => choose(backend, redis)).toThrow(message);
  });

  it("without telling the password", () => {
    expect(() => choose("redis", "redis://me:secret@:6379")).toThrow(/^(?!.*secret)--redis must be a URL/);
  });
});
