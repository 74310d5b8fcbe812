/** The set-up that also sees to a Redis, as a process, with scripts where the package managers would stand. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { locateNatsServer, locateRedisServer } from "../../deploy/setup/locate.mjs";
import {
  addSetup,
  makeScratchCheckout,
  natsScript,
  redisScript,
  runSetup,
  startSetup,
  type ScratchCheckout,
} from "./scratch-checkout.ts";

const OBTAINED = [
  "bin",
  "bin/redis-cli",
  "bin/redis-server",
  "nats-server.json",
  "redis-server",
  "redis-server.json",
  "redis-server/usr",
  "redis-server/usr/bin",
  "redis-server/usr/bin/redis-cli",
  "redis-server/usr/bin/redis-server",
  "redis-server/usr/lib",
  "redis-server/usr/lib/any-linux-gnu",
  "redis-server/usr/lib/any-linux-gnu/liblzf.so.1",
];

interface RedisCheckout extends ScratchCheckout {
  readonly script: string;
}

/** A checkout that has everything but a Redis. */
function makeRedisCheckout(): RedisCheckout {
  const checkout = makeScratchCheckout();
  const script = addSetup(checkout);
  checkout.addScript("nats-server", natsScript("2.15.2"));
  return { ...checkout, script };
}

interface AptBehaviour {
  readonly version?: string;
  /** Shell lines in the place of `apt-get update` and before the download of `apt-get install`. */
  readonly update?: string;
  readonly install?: string;
}

/** An apt with two packages, noting its calls: the server, which does not run without the other one's library. */
function addApt(checkout: ScratchCheckout, { version = "7.0.15", update, install }: AptBehaviour = {}): void {
  checkout.addScript(
    "apt-get",
    `[ "$1" = -c ] || exit 1
     shift 2
     echo "$*" >> ${checkout.root}/apt.log
     if [ "$1" = update ]; then ${update ?? "exit 0"}; fi
     ${install ?? ""}
     : > cache/archives/redis-server.deb; : > cache/archives/liblzf1.deb`,
  );
  checkout.addScript(
    "dpkg-deb",
    `case "$2" in
       */redis-server.deb)
         /bin/mkdir -p usr/bin
         echo '#!/bin/sh' > usr/bin/redis-server
         echo '[ -e "$LD_LIBRARY_PATH/liblzf.so.1" ] || exit 127' >> usr/bin/redis-server
         echo '${redisScript(version)}' >> usr/bin/redis-server
         /bin/cp usr/bin/redis-server usr/bin/redis-cli; /bin/chmod +x usr/bin/* ;;
       */liblzf1.deb) /bin/mkdir -p usr/lib/any-linux-gnu; : > usr/lib/any-linux-gnu/liblzf.so.1 ;;
     esac`,
  );
}

const WAIT = { timeout: 10_000 };

/** A shell line that goes on when that file is there. */
const blockUntil = ({ root }: ScratchCheckout, file: string): string =>
  `while [ ! -e "${root}/${file}" ]; do /bin/sleep 0.05; done`;

const aptCalls = ({ root }: ScratchCheckout): string[] =>
  readFileSync(join(root, "apt.log"), "utf8").trim().split("\n");

const runWithRedis = (checkout: RedisCheckout) => runSetup(checkout, checkout.script, "--with", "redis");

describe("set-up without --with redis", () => {
  it("obtains no Redis and needs none", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout);
    checkout.addScript("redis-server", redisScript("6.2.16"));
    checkout.env["PARL_REDIS_SERVER"] = "/nowhere/redis-server";
    expect(await runSetup(checkout, checkout.script)).toEqual({ exitCode: 0, output: "" });
    expect(checkout.cacheEntries()).toEqual(["nats-server.json"]);
    expect(existsSync(join(checkout.root, "apt.log"))).toBe(false);
  });

  it("does not wait for a Redis that another set-up is obtaining", async () => {
    const checkout = makeRedisCheckout();
    rmSync(join(checkout.root, "bin", "nats-server"));
    checkout.addScript(join(checkout.root, "cellar/bin/nats-server"), natsScript("2.15.1"));
    const isAsked = `[ "$1" = install ] || { echo ${checkout.root}/cellar; exit; }`;
    checkout.addScript("brew", `${isAsked}; ${blockUntil(checkout, "brew may go on")}`);
    addApt(checkout, { update: `${blockUntil(checkout, "apt may go on")}; exit 0` });

    const withRedis = startSetup(checkout, checkout.script, "--with", "redis");
    await vi.waitUntil(() => withRedis.outputSoFar().includes("obtaining nats-server: Homebrew"), WAIT);
    const plain = startSetup(checkout, checkout.script);
    await vi.waitUntil(() => plain.outputSoFar().includes("waiting"), WAIT);
    writeFileSync(join(checkout.root, "brew may go on"), "");
    expect((await plain.ended).exitCode).toBe(0);
    expect(locateNatsServer(checkout).version).toBe("2.15.1");
    writeFileSync(join(checkout.root, "apt may go on"), "");
    expect((await withRedis.ended).exitCode).toBe(0);
    expect(locateRedisServer(checkout).version).toBe("7.0.15");
  });

  it("refuses words it does not know", async () => {
    const checkout = makeRedisCheckout();
    const { exitCode, output } = await runSetup(checkout, checkout.script, "--with", "postgres");
    expect(exitCode).toBe(1);
    expect(output).toBe(
      `set-up: "--with postgres" is unknown: say nothing, "--with redis" or "--with nats-cli"\n`,
    );
  });
});

describe("set-up with --with redis", () => {
  it("unpacks the system's package and its libraries, and says nothing the second time", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout);
    const first = await runWithRedis(checkout);
    expect(first.output).toContain("obtaining redis-server: apt package");
    expect(first.exitCode).toBe(0);
    expect(checkout.cacheEntries()).toEqual(OBTAINED);
    expect(locateRedisServer(checkout)).toMatchObject({ version: "7.0.15", source: "apt package" });
    expect(execFileSync(join(checkout.root, ".parl/bin/redis-cli"), { encoding: "utf8" })).toContain(
      "7.0.15",
    );

    rmSync(join(checkout.root, "bin", "apt-get"));
    expect(await runWithRedis(checkout)).toEqual({ exitCode: 0, output: "" });
  });

  it("lets apt download only, into a folder of its own", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout, { install: `/bin/cp apt.conf ${checkout.root}` });
    await runWithRedis(checkout);
    expect(aptCalls(checkout)).toEqual([
      "update",
      "install --reinstall --yes --download-only --no-install-recommends redis-server redis-tools",
    ]);
    const settings = readFileSync(join(checkout.root, "apt.conf"), "utf8");
    for (const name of ["Dir::State", "Dir::State::Lists", "Dir::Cache"]) {
      expect(settings).toMatch(new RegExp(`^${name} "${checkout.root}/\\.parl/staging-`, "m"));
    }
    expect(settings).toContain("#clear APT::Update;");
  });

  it("is found in a checkout that was moved, and still finds its libraries", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout);
    await runWithRedis(checkout);
    const moved = join(checkout.root, "moved to another place");
    mkdirSync(moved);
    renameSync(join(checkout.root, ".parl"), join(moved, ".parl"));
    expect(locateRedisServer({ root: moved, env: checkout.env }).path).toBe(
      join(moved, ".parl/bin/redis-server"),
    );
  });

  it("skips an old Redis on PATH with one line that says why", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout);
    const old = checkout.addScript("redis-server", redisScript("6.2.16"));
    const { exitCode, output } = await runWithRedis(checkout);
    expect(exitCode).toBe(0);
    expect(output.split("\n")).toContain(`set-up: skipped: ${old} is 6.2.16, older than 7.0.0`);
  });

  it("does not mind a source of apt that cannot be reached, when another one has the package", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout, { update: `echo "E: Failed to fetch" >&2; exit 100` });
    expect((await runWithRedis(checkout)).exitCode).toBe(0);
    expect(aptCalls(checkout)).toHaveLength(2);
  });

  it.each([
    ["fails", `echo "E: Unable to locate package" >&2; exit 100`],
    ["brings nothing", "exit 0"],
  ])("tells why the sources could not be read when then the download %s", async (_what, install) => {
    const checkout = makeRedisCheckout();
    addApt(checkout, { update: `echo "E: Temporary failure resolving" >&2; exit 100`, install });
    const { exitCode, output } = await runWithRedis(checkout);
    expect(exitCode).toBe(1);
    expect(output).toContain("E: Temporary failure resolving");
    expect(output).not.toContain("E: Unable to locate package");
    expect(checkout.cacheEntries()).toEqual(["nats-server.json"]);
  });

  it("goes on to Homebrew", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout, { install: "exit 0" });
    for (const program of ["redis-server", "redis-cli"]) {
      checkout.addScript(join(checkout.root, "cellar/redis/bin", program), redisScript("8.2.1"));
    }
    checkout.addScript("brew", `[ "$1" = install ] || echo ${checkout.root}/cellar/$2`);
    const { exitCode, output } = await runWithRedis(checkout);
    expect(output).toContain("apt's sources have no package to download");
    expect(exitCode).toBe(0);
    expect(locateRedisServer(checkout)).toMatchObject({ version: "8.2.1", source: "Homebrew" });
  });

  it("ends with one error that names every way when nothing is there", async () => {
    const checkout = makeRedisCheckout();
    const { exitCode, output } = await runWithRedis(checkout);
    expect(exitCode).toBe(1);
    for (const way of ["PATH", "valkey-server", "PARL_REDIS_SERVER", "apt package", "Homebrew"]) {
      expect(output).toContain(way);
    }
    expect(output).not.toMatch(/go install|Debian package/);
    expect(checkout.cacheEntries()).toEqual(["nats-server.json"]);
  });

  it("refuses a Redis that is too old from any way, and keeps it out of the cache", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout, { version: "6.0.16" });
    const { exitCode, output } = await runWithRedis(checkout);
    expect(exitCode).toBe(1);
    expect(output).toContain("what it brings is 6.0.16, older than 7.0.0");
    expect(checkout.cacheEntries()).toEqual(["nats-server.json"]);
  });

  it("obtains the Redis once when two are started together", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout, { install: "/bin/sleep 0.3" });
    const results = await Promise.all([runWithRedis(checkout), runWithRedis(checkout)]);
    expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(aptCalls(checkout)).toHaveLength(2);
    expect(checkout.cacheEntries()).toEqual(OBTAINED);
  });

  it("clears what a killed set-up left, and leaves alone what another server's set-up is making", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout);
    const cache = join(checkout.root, ".parl");
    for (const folder of ["redis-server.lock", "staging-redis-server.killed", "redis-server/usr/half"]) {
      mkdirSync(join(cache, folder), { recursive: true });
    }
    utimesSync(join(cache, "redis-server.lock"), 0, 0);
    mkdirSync(join(cache, "staging-nats-server.busy"));
    expect((await runWithRedis(checkout)).exitCode).toBe(0);
    expect(checkout.cacheEntries()).toEqual([...OBTAINED, "staging-nats-server.busy"]);
  });

  it("obtains the Redis again when its libraries are gone", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout);
    await runWithRedis(checkout);
    rmSync(join(checkout.root, ".parl/redis-server/usr/lib"), { recursive: true });
    expect(() => locateRedisServer(checkout)).toThrow("redis-server does not run (exit 127)");
    expect((await runWithRedis(checkout)).exitCode).toBe(0);
    expect(checkout.cacheEntries()).toEqual(OBTAINED);
  });

  it("mends a damaged note without obtaining anything", async () => {
    const checkout = makeRedisCheckout();
    addApt(checkout);
    await runWithRedis(checkout);
    const note = join(checkout.root, ".parl", "redis-server.json");
    writeFileSync(note, `{"path":`);
    expect(await runWithRedis(checkout)).toEqual({ exitCode: 0, output: "" });
    expect(JSON.parse(readFileSync(note, "utf8"))).toMatchObject({ version: "7.0.15", source: ".parl/bin" });
    expect(aptCalls(checkout)).toHaveLength(2);
  });

  it("ended by a signal leaves no half-made Redis, no lock and no process", async () => {
    const checkout = makeRedisCheckout();
    const pidFile = join(checkout.root, "apt.pid");
    addApt(checkout, {
      install: `: > cache/archives/redis-server.deb
        echo $$ > ${pidFile}.new; /bin/mv ${pidFile}.new ${pidFile}; exec /bin/sleep 60`,
    });
    const { child, ended } = startSetup(checkout, checkout.script, "--with", "redis");
    await vi.waitUntil(() => existsSync(pidFile), WAIT);
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ exitCode: 143, output: expect.stringContaining("ended by SIGTERM") });
    expect(checkout.cacheEntries()).toEqual(["nats-server.json"]);
    expect(() => process.kill(Number(readFileSync(pidFile, "utf8")), 0)).toThrow("ESRCH");
  });
});
