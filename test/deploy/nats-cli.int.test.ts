/** The README's NATS call as it stands there, by the NATS project's own command. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { locateNatsCli } from "../../deploy/setup/locate.mjs";
import { startRegion } from "../harness/region.ts";
import { repository } from "./scratch-checkout.ts";

/** Its path, or why there is none. */
function natsCli(): { path?: string; reason?: string } {
  try {
    return { path: locateNatsCli({ root: repository, env: process.env }).path };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

/** A command of the README that begins so, and the line that it is said to print. */
function shownInReadme(start: string): { command: string; printed: string } {
  const lines = readFileSync(join(repository, "README.md"), "utf8").split("\n");
  const at = lines.findIndex((line) => line.startsWith(`$ ${start}`));
  return { command: (lines[at] as string).slice(2), printed: lines[at + 1] as string };
}

it("answers nats req as the README shows it", async ({ skip }) => {
  const { path, reason } = natsCli();
  if (path === undefined) return skip(reason);
  const region = await startRegion();
  onTestFinished(() => region.stop());
  const { command, printed } = shownInReadme("nats -s nats://127.0.0.1:4222 req");
  // The reader's shell, with the command and the region of this test in place of those he has.
  const ours = command.replace(/^nats /, '"$NATS" ').replace("nats://127.0.0.1:4222", region.nats.url);
  const env = { ...process.env, NATS: path };
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", ours], { env });
  expect(stdout.trim()).toBe(printed);
});
