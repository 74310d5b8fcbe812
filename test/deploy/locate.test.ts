import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { locateNatsCli, locateNatsServer, locateRedisServer } from "../../deploy/setup/locate.mjs";
import { isAtLeast } from "../../deploy/setup/version.mjs";
import {
  makeScratchCheckout,
  natsCliScript,
  natsScript,
  redisScript,
  repository,
} from "./scratch-checkout.ts";

const NATS = {
  name: "nats-server",
  locate: locateNatsServer,
  variable: "PARL_NATS_SERVER",
  script: natsScript,
  setup: /node deploy\/setup\/setup\.mjs"/,
  old: "2.9.10",
  minimum: "2.12.0",
  later: "2.13.0",
  latest: "2.15.2",
};

const REDIS = {
  name: "redis-server",
  locate: locateRedisServer,
  variable: "PARL_REDIS_SERVER",
  script: redisScript,
  setup: /node deploy\/setup\/setup\.mjs --with redis"/,
  old: "6.2.16",
  minimum: "7.0.0",
  later: "7.0.15",
  latest: "8.0.2",
};

const NATS_CLI = {
  name: "nats",
  locate: locateNatsCli,
  variable: "PARL_NATS_CLI",
  script: natsCliScript,
  setup: /npm run setup:nats-cli"/,
  old: "0.4.0",
  minimum: "0.5.0",
  later: "0.5.1",
  latest: "1.0.0",
};

it.each([NATS, REDIS])("finds a $name for this checkout that runs and tells its version", (server) => {
  const located = server.locate({ root: repository, env: process.env });
  expect(isAtLeast(located.version, server.minimum)).toBe(true);
  expect(execFileSync(located.path, ["--version"], { encoding: "utf8" })).toContain(located.version);
});

describe.each([NATS, REDIS, NATS_CLI])("locating $name", (server) => {
  const { name, locate, variable, script, setup, old, minimum, later, latest } = server;

  it("takes a server on PATH that is new enough", () => {
    const checkout = makeScratchCheckout();
    const path = checkout.addScript(name, script(minimum));
    expect(locate(checkout)).toEqual({ path, version: minimum, source: "PATH" });
  });

  it("skips an old server on PATH for a newer one behind it", () => {
    const checkout = makeScratchCheckout();
    checkout.addScript(name, script(old));
    const path = checkout.addScript(join(checkout.root, "second", name), script(later));
    const env = { PATH: `${checkout.env["PATH"]}:${join(checkout.root, "second")}` };
    expect(locate({ root: checkout.root, env }).path).toBe(path);
  });

  it("says which servers it refused and why, and the way out, when none is left", () => {
    const checkout = makeScratchCheckout();
    const path = checkout.addScript(name, script(old));
    expect(() => locate(checkout)).toThrow(`${path} is ${old}, older than ${minimum}`);
    expect(() => locate(checkout)).toThrow(setup);
    expect(() => locate(checkout)).toThrow(variable);
  });

  it("prefers the cached server to PATH, and what set-up noted to both", () => {
    const checkout = makeScratchCheckout();
    checkout.addScript(name, script(minimum));
    const cached = checkout.addScript(join(checkout.root, ".parl/bin", name), script(later));
    expect(locate(checkout).path).toBe(cached);

    const noted = checkout.addScript(join(checkout.root, "elsewhere"), script(latest));
    const record = { path: noted, version: latest, source: "Homebrew" };
    writeFileSync(join(checkout.root, ".parl", `${name}.json`), JSON.stringify(record));
    expect(locate(checkout)).toEqual(record);
  });

  it("tells the version of the program, not the one that was noted", () => {
    const checkout = makeScratchCheckout();
    const path = checkout.addScript(join(checkout.root, ".parl/bin", name), script(latest));
    const record = { path, version: minimum, source: "go install" };
    writeFileSync(join(checkout.root, ".parl", `${name}.json`), JSON.stringify(record));
    expect(locate(checkout).version).toBe(latest);
  });

  it.each(["", "null", "{", `{"path":7}`])("searches on past a damaged note: %j", (note) => {
    const checkout = makeScratchCheckout();
    const path = checkout.addScript(join(checkout.root, ".parl/bin", name), script(latest));
    writeFileSync(join(checkout.root, ".parl", `${name}.json`), note);
    expect(locate(checkout).path).toBe(path);
  });

  it("searches on when the noted server is gone", () => {
    const checkout = makeScratchCheckout();
    const noted = checkout.addScript(join(checkout.root, ".parl/bin", name), script(latest));
    const record = { path: noted, version: latest, source: "go install" };
    writeFileSync(join(checkout.root, ".parl", `${name}.json`), JSON.stringify(record));
    rmSync(noted);
    const path = checkout.addScript(name, script(minimum));
    expect(locate(checkout).path).toBe(path);
  });

  describe(variable, () => {
    it("outranks every other server", () => {
      const checkout = makeScratchCheckout();
      checkout.addScript(name, script(latest));
      const path = checkout.addScript(join(checkout.root, "mine"), script(later));
      const env = { ...checkout.env, [variable]: path };
      expect(locate({ root: checkout.root, env })).toEqual({ path, version: later, source: variable });
    });

    it.each([
      ["too old", script(old), `is ${old}, older than ${minimum}`],
      ["silent", "true", `does not tell its version as ${name} does`],
      ["another server", (server === NATS ? REDIS : NATS).script("99.0.0"), "does not tell its version as"],
      ["failing", "exit 3", "does not run (exit 3)"],
    ])(
      "is an error when it names a program that is %s, although another would do",
      (_what, body, problem) => {
        const checkout = makeScratchCheckout();
        checkout.addScript(name, script(latest));
        const path = checkout.addScript(join(checkout.root, "mine"), body);
        const env = { ...checkout.env, [variable]: path };
        expect(() => locate({ root: checkout.root, env })).toThrow(`${variable}: ${path} ${problem}`);
      },
    );

    it("is an error when it names nothing", () => {
      const { root } = makeScratchCheckout();
      const env = { [variable]: join(root, "nothing") };
      expect(() => locate({ root, env })).toThrow(/nothing does not run \(ENOENT\)/);
    });
  });
});

describe("Valkey", () => {
  it("will do as a Redis", () => {
    const checkout = makeScratchCheckout();
    const path = checkout.addScript("valkey-server", redisScript("7.2.4", "Valkey"));
    expect(locateRedisServer(checkout)).toEqual({ path, version: "7.2.4", source: "PATH" });
  });

  it("is not taken where a Redis is that will do", () => {
    const checkout = makeScratchCheckout();
    checkout.addScript("valkey-server", redisScript("8.1.0", "Valkey"));
    const path = checkout.addScript("redis-server", redisScript("7.0.15"));
    expect(locateRedisServer(checkout).path).toBe(path);
  });
});
