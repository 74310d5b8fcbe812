/** The set-up as a process, with shell scripts where the package managers would stand: quick, and no network. */
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { locateNatsServer } from "../../deploy/setup/locate.mjs";
import {
  addSetup,
  makeScratchCheckout,
  natsScript,
  runSetup,
  startSetup,
  type ScratchCheckout,
} from "./scratch-checkout.ts";

const OBTAINED = ["bin", "bin/nats-server", "nats-server.json"];

/** A Go that "builds" a server of that version and notes each build in builds.log. */
function goThatBuilds({ root }: ScratchCheckout, version: string): string {
  return [
    `[ "$1" = install ] || exit 0`,
    `echo build >> ${root}/builds.log`,
    `echo '#!/bin/sh' > "$GOBIN/nats-server"`,
    `echo '${natsScript(version)}' >> "$GOBIN/nats-server"`,
    `/bin/chmod +x "$GOBIN/nats-server"`,
  ].join("\n");
}

/** An apt whose mirror has nats-server in one suite only; it notes the source and the words of each call. */
function addDebian(checkout: ScratchCheckout, suite: string): void {
  checkout.addScript(
    "apt-get",
    `if [ "$1" = indextargets ]; then
       echo http://mirror.test/debian-security/; echo http://mirror.test/debian/; exit
     fi
     while read -r line; do echo "$line" >> ${checkout.root}/apt.log; done < sources/debian.sources
     echo "$3" >> ${checkout.root}/apt.log
     [ "$3" = update ] && exit 0
     case "$PWD" in */${suite}) : > nats-server_1_all.deb ;; *) echo "E: Unable to locate package" >&2; exit 100 ;; esac`,
  );
  checkout.addScript(
    "dpkg-deb",
    `/bin/mkdir -p usr/sbin; echo '#!/bin/sh' > usr/sbin/nats-server
     echo '${natsScript("2.15.1")}' >> usr/sbin/nats-server; /bin/chmod +x usr/sbin/nats-server`,
  );
}

const packages = (version: string): string =>
  `{"packages":{"":{},"node_modules/a":{"version":"${version}"}}}`;

describe("set-up", () => {
  it("builds a server with Go, caches and notes it, and says nothing the second time", async () => {
    const checkout = makeScratchCheckout();
    const script = addSetup(checkout);
    checkout.addScript("go", goThatBuilds(checkout, "2.15.2"));

    const first = await runSetup(checkout, script);
    expect(first.output).toContain("obtaining nats-server: go install");
    expect(first.exitCode).toBe(0);
    expect(checkout.cacheEntries()).toEqual(OBTAINED);
    expect(locateNatsServer(checkout).source).toBe("go install");

    expect(await runSetup(checkout, script)).toEqual({ exitCode: 0, output: "" });
  });

  it("skips an old server on PATH with one line that says why", async () => {
    const checkout = makeScratchCheckout();
    const script = addSetup(checkout);
    const old = checkout.addScript("nats-server", natsScript("2.9.10"));
    checkout.addScript("go", goThatBuilds(checkout, "2.15.2"));

    const { exitCode, output } = await runSetup(checkout, script);
    expect(exitCode).toBe(0);
    expect(output.split("\n")).toContain(`set-up: skipped: ${old} is 2.9.10, older than 2.12.0`);
  });

  it("goes on to the next way when one fails", async () => {
    const checkout = makeScratchCheckout();
    const script = addSetup(checkout);
    checkout.addScript("go", `echo "go: the network is down" >&2; exit 1`);
    checkout.addScript(join(checkout.root, "cellar/bin/nats-server"), natsScript("2.15.1"));
    checkout.addScript("brew", `[ "$1" = install ] || echo ${checkout.root}/cellar`);

    const { exitCode, output } = await runSetup(checkout, script);
    expect(output).toContain("go list failed: go: the network is down");
    expect(exitCode).toBe(0);
    expect(locateNatsServer(checkout)).toMatchObject({ version: "2.15.1", source: "Homebrew" });
  });

  it("takes Debian's package from the system's own mirror, from sid when testing has none", async () => {
    const checkout = makeScratchCheckout();
    const script = addSetup(checkout);
    addDebian(checkout, "sid");

    expect((await runSetup(checkout, script)).exitCode).toBe(0);
    expect(locateNatsServer(checkout)).toMatchObject({ version: "2.15.1", source: "Debian package" });
    expect(checkout.cacheEntries()).toEqual(OBTAINED);
    const log = readFileSync(join(checkout.root, "apt.log"), "utf8");
    expect(log).toContain("URIs: http://mirror.test/debian/\nSuites: testing\n");
    expect(log.match(/^(Suites: .*|update|download)$/gm)).toEqual([
      "Suites: testing",
      "update",
      "Suites: testing",
      "download",
      "Suites: sid",
      "update",
      "Suites: sid",
      "download",
    ]);
  });

  it("ends with one error that names every way when nothing is there", async () => {
    const checkout = makeScratchCheckout();
    const { exitCode, output } = await runSetup(checkout, addSetup(checkout));
    expect(exitCode).toBe(1);
    for (const way of ["PATH", "PARL_NATS_SERVER", "go install", "Debian package", "Homebrew"]) {
      expect(output).toContain(way);
    }
    expect(checkout.cacheEntries()).toEqual([]);
  });

  it("refuses a server that is too old from any way, and keeps it out of the cache", async () => {
    const checkout = makeScratchCheckout();
    const script = addSetup(checkout);
    checkout.addScript("go", goThatBuilds(checkout, "2.11.9"));
    const { exitCode, output } = await runSetup(checkout, script);
    expect(exitCode).toBe(1);
    expect(output).toContain("is 2.11.9, older than 2.12.0");
    expect(checkout.cacheEntries()).toEqual([]);
  });

  it("obtains the server once when two are started together", async () => {
    const checkout = makeScratchCheckout();
    const script = addSetup(checkout);
    checkout.addScript("go", `${goThatBuilds(checkout, "2.15.2")}\n/bin/sleep 0.3`);
    const results = await Promise.all([runSetup(checkout, script), runSetup(checkout, script)]);
    expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(readFileSync(join(checkout.root, "builds.log"), "utf8")).toBe("build\n");
    expect(checkout.cacheEntries()).toEqual(OBTAINED);
  });

  it("clears what a killed set-up left: its stale lock and its half-made server", async () => {
    const checkout = makeScratchCheckout();
    const script = addSetup(checkout);
    checkout.addScript("go", goThatBuilds(checkout, "2.15.2"));
    const lock = join(checkout.root, ".parl", "nats-server.lock");
    mkdirSync(lock, { recursive: true });
    utimesSync(lock, 0, 0);
    mkdirSync(join(checkout.root, ".parl", "staging-nats-server.killed"));
    writeFileSync(join(checkout.root, ".parl", "staging-nats-server.killed", "nats-server"), "half");

    expect((await runSetup(checkout, script)).exitCode).toBe(0);
    expect(checkout.cacheEntries()).toEqual(OBTAINED);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("ended by %s leaves no half-made server, no lock and no process", async (signal, exitCode) => {
    const checkout = makeScratchCheckout();
    const script = addSetup(checkout);
    const pidFile = join(checkout.root, "compiler.pid");
    const compiler = checkout.addScript(
      join(checkout.root, "compile"),
      `echo $$ > ${pidFile}.new; /bin/mv ${pidFile}.new ${pidFile}; exec /bin/sleep 60`,
    );
    checkout.addScript(
      "go",
      `[ "$1" = install ] || exit 0\necho half > "$GOBIN/nats-server"\n${compiler}\nexit 1`,
    );
    const { child, ended } = startSetup(checkout, script);
    await vi.waitUntil(() => existsSync(pidFile), { timeout: 10_000 });
    child.kill(signal);

    expect(await ended).toMatchObject({ exitCode, output: expect.stringContaining(`ended by ${signal}`) });
    expect(checkout.cacheEntries()).toEqual([]);
    expect(() => process.kill(Number(readFileSync(pidFile, "utf8")), 0)).toThrow("ESRCH");
  });

  it("wants packages that agree with the lockfile, and npm to bring them", async () => {
    const checkout = makeScratchCheckout();
    const script = addSetup(checkout);
    checkout.addScript("nats-server", natsScript("2.15.2"));
    writeFileSync(join(checkout.root, "package-lock.json"), packages("1.0.1"));
    writeFileSync(join(checkout.root, "node_modules", ".package-lock.json"), packages("1.0.0"));
    expect((await runSetup(checkout, script)).output).toContain("npm is not on PATH");

    checkout.addScript("npm", `[ "$1" = ci ] && /bin/cp package-lock.json node_modules/.package-lock.json`);
    expect((await runSetup(checkout, script)).exitCode).toBe(0);
    expect(await runSetup(checkout, script)).toEqual({ exitCode: 0, output: "" });
  });

  it("names the ways to Node 24 when only an older Node is there", async () => {
    const checkout = makeScratchCheckout();
    const script = addSetup(checkout);
    checkout.addScript("nats-server", natsScript("2.15.2"));
    checkout.addScript(join(checkout.root, "node_modules/.bin/node"), "echo v20.20.2");
    const { exitCode, output } = await runSetup(checkout, script);
    expect(exitCode).toBe(1);
    expect(output).toMatch(/Node 24.* is 20\.20\.2.*npm ci.*nvm install 24.*nodejs\.org/);
  });
});
