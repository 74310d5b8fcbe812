/** The set-up that also sees to the NATS project's command, with a script where Go would stand. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { locateNatsCli } from "../../deploy/setup/locate.mjs";
import {
  addSetup,
  makeScratchCheckout,
  natsScript,
  runSetup,
  type ScratchCheckout,
} from "./scratch-checkout.ts";

interface CliCheckout extends ScratchCheckout {
  readonly script: string;
}

/** A checkout that has everything but nats-cli. */
function makeCliCheckout(): CliCheckout {
  const checkout = makeScratchCheckout();
  const script = addSetup(checkout);
  checkout.addScript("nats-server", natsScript("2.15.2"));
  return { ...checkout, script };
}

/** A Go that notes what it is asked for. */
function addGo(checkout: ScratchCheckout): void {
  checkout.addScript(
    "go",
    `echo "$@" >> ${checkout.root}/go.log
     [ "$1" = install ] || exit 0
     echo '#!/bin/sh' > "$GOBIN/nats"
     echo '[ "$1" = --version ] && echo v0.5.1' >> "$GOBIN/nats"
     /bin/chmod +x "$GOBIN/nats"`,
  );
}

const WITH = ["--with", "nats-cli"];

it("builds it with Go when asked to, and says nothing the second time", async () => {
  const checkout = makeCliCheckout();
  addGo(checkout);
  const first = await runSetup(checkout, checkout.script, ...WITH);
  expect(first.exitCode).toBe(0);
  expect(first.output).toContain("obtaining nats: go install");
  expect(readFileSync(join(checkout.root, "go.log"), "utf8").split("\n")).toEqual([
    "list -m github.com/nats-io/natscli@v0.5.1",
    "install -v github.com/nats-io/natscli/nats@v0.5.1",
    "",
  ]);
  expect(checkout.cacheEntries()).toEqual(["bin", "bin/nats", "nats-server.json", "nats.json"]);
  expect(locateNatsCli(checkout)).toMatchObject({ version: "0.5.1", source: "go install" });
  expect(await runSetup(checkout, checkout.script, ...WITH)).toEqual({ exitCode: 0, output: "" });
});

it("is no concern of whoever does not ask for it, with Go or without", async () => {
  const checkout = makeCliCheckout();
  expect(await runSetup(checkout, checkout.script)).toEqual({ exitCode: 0, output: "" });
  addGo(checkout);
  expect(await runSetup(checkout, checkout.script)).toEqual({ exitCode: 0, output: "" });
  expect(existsSync(join(checkout.root, "go.log"))).toBe(false);
});

it("says what would help where there is no Go", async () => {
  const checkout = makeCliCheckout();
  const { exitCode, output } = await runSetup(checkout, checkout.script, ...WITH);
  expect(exitCode).toBe(1);
  expect(output).toMatch(
    /need nats 0\.5\.0 or newer.*go is not on PATH.*put a newer nats on PATH.*install Go/s,
  );
});

it("leaves alone what another set-up has of nats-server", async () => {
  const checkout = makeCliCheckout();
  addGo(checkout);
  const other = join(checkout.root, ".parl", "staging-nats-server.AbCdEf");
  mkdirSync(other, { recursive: true });
  expect((await runSetup(checkout, checkout.script, ...WITH)).exitCode).toBe(0);
  expect(existsSync(other)).toBe(true);
});
