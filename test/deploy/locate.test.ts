import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { locateNatsServer, NATS_SERVER_MINIMUM } from "../../deploy/setup/locate.mjs";
import { isAtLeast } from "../../deploy/setup/version.mjs";
import { makeScratchCheckout, repository, serverScript } from "./scratch-checkout.ts";

describe("locateNatsServer", () => {
  it("finds a server for this checkout that runs and tells the version it was found with", () => {
    const server = locateNatsServer({ root: repository, env: process.env });
    expect(isAtLeast(server.version, NATS_SERVER_MINIMUM)).toBe(true);
    expect(execFileSync(server.path, ["--version"], { encoding: "utf8" })).toContain(server.version);
  });

  it("takes a server on PATH that is new enough", () => {
    const checkout = makeScratchCheckout();
    const path = checkout.addScript("nats-server", serverScript("2.12.0"));
    expect(locateNatsServer(checkout)).toEqual({ path, version: "2.12.0", source: "PATH" });
  });

  it("skips an old server on PATH for a newer one behind it", () => {
    const checkout = makeScratchCheckout();
    checkout.addScript("nats-server", serverScript("2.9.10"));
    const path = checkout.addScript(join(checkout.root, "second", "nats-server"), serverScript("2.14.0"));
    const env = { PATH: `${checkout.env["PATH"]}:${join(checkout.root, "second")}` };
    expect(locateNatsServer({ root: checkout.root, env }).path).toBe(path);
  });

  it("says which servers it refused and why, and the way out, when none is left", () => {
    const checkout = makeScratchCheckout();
    const path = checkout.addScript("nats-server", serverScript("2.9.10"));
    expect(() => locateNatsServer(checkout)).toThrow(`${path} is 2.9.10, older than ${NATS_SERVER_MINIMUM}`);
    expect(() => locateNatsServer(checkout)).toThrow(/setup\.mjs.*PARL_NATS_SERVER/);
  });

  it("prefers the cached server to PATH, and what set-up noted to both", () => {
    const checkout = makeScratchCheckout();
    checkout.addScript("nats-server", serverScript("2.12.0"));
    const cached = checkout.addScript(join(checkout.root, ".parl/bin/nats-server"), serverScript("2.13.0"));
    expect(locateNatsServer(checkout).path).toBe(cached);

    const noted = checkout.addScript(join(checkout.root, "elsewhere"), serverScript("2.14.0"));
    const record = { path: noted, version: "2.14.0", source: "Homebrew" };
    writeFileSync(join(checkout.root, ".parl", "nats-server.json"), JSON.stringify(record));
    expect(locateNatsServer(checkout)).toEqual(record);
  });

  it("tells the version of the binary, not the one that was noted", () => {
    const checkout = makeScratchCheckout();
    const path = checkout.addScript(join(checkout.root, ".parl/bin/nats-server"), serverScript("2.15.2"));
    const record = { path, version: "2.12.0", source: "go install" };
    writeFileSync(join(checkout.root, ".parl", "nats-server.json"), JSON.stringify(record));
    expect(locateNatsServer(checkout).version).toBe("2.15.2");
  });

  it.each(["", "null", "{", `{"path":7}`])("searches on past a damaged note: %j", (note) => {
    const checkout = makeScratchCheckout();
    const path = checkout.addScript(join(checkout.root, ".parl/bin/nats-server"), serverScript("2.15.2"));
    writeFileSync(join(checkout.root, ".parl", "nats-server.json"), note);
    expect(locateNatsServer(checkout).path).toBe(path);
  });

  it("searches on when the noted server is gone", () => {
    const checkout = makeScratchCheckout();
    const noted = checkout.addScript(join(checkout.root, ".parl/bin/nats-server"), serverScript("2.15.2"));
    const record = { path: noted, version: "2.15.2", source: "go install" };
    writeFileSync(join(checkout.root, ".parl", "nats-server.json"), JSON.stringify(record));
    rmSync(noted);
    const path = checkout.addScript("nats-server", serverScript("2.12.0"));
    expect(locateNatsServer(checkout).path).toBe(path);
  });
});

describe("PARL_NATS_SERVER", () => {
  it("outranks every other server", () => {
    const checkout = makeScratchCheckout();
    checkout.addScript("nats-server", serverScript("2.15.2"));
    const path = checkout.addScript(join(checkout.root, "mine"), serverScript("2.12.5"));
    const env = { ...checkout.env, PARL_NATS_SERVER: path };
    expect(locateNatsServer({ root: checkout.root, env })).toEqual({
      path,
      version: "2.12.5",
      source: "PARL_NATS_SERVER",
    });
  });

  it.each([
    ["too old", serverScript("2.9.10"), /PARL_NATS_SERVER: .* is 2\.9\.10, older than 2\.12\.0/],
    ["no nats-server", "echo hello", /PARL_NATS_SERVER: .* does not tell its version/],
    ["failing", "exit 3", /PARL_NATS_SERVER: .* does not run \(exit 3\)/],
  ])("is an error when it names a program that is %s, although another would do", (_what, body, message) => {
    const checkout = makeScratchCheckout();
    checkout.addScript("nats-server", serverScript("2.15.2"));
    const path = checkout.addScript(join(checkout.root, "mine"), body);
    const env = { ...checkout.env, PARL_NATS_SERVER: path };
    expect(() => locateNatsServer({ root: checkout.root, env })).toThrow(message);
  });

  it("is an error when it names nothing", () => {
    const { root } = makeScratchCheckout();
    const env = { PARL_NATS_SERVER: join(root, "nothing") };
    expect(() => locateNatsServer({ root, env })).toThrow(/nothing does not run \(ENOENT\)/);
  });
});
