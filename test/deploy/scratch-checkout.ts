/** A checkout in a temporary folder, with a PATH of its own on which only chosen programs stand. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export const repository = fileURLToPath(new URL("../..", import.meta.url));

export interface ScratchCheckout {
  readonly root: string;
  readonly env: Record<string, string>;
  /** What set-up left in .parl, as paths inside it. */
  cacheEntries(): string[];
  /** Writes a shell script, on PATH unless the name is an absolute path, and answers where it is. */
  addScript(name: string, body: string): string;
}

export function makeScratchCheckout(): ScratchCheckout {
  const root = mkdtempSync(join(tmpdir(), "parl-setup-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const bin = join(root, "bin");
  mkdirSync(bin);
  return {
    root,
    env: { PATH: bin },
    cacheEntries: () => {
      const cache = join(root, ".parl");
      return existsSync(cache) ? readdirSync(cache, { recursive: true, encoding: "utf8" }).toSorted() : [];
    },
    addScript: (name, body) => {
      const path = name.startsWith("/") ? name : join(bin, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `#!/bin/sh\n${body}\n`);
      chmodSync(path, 0o755);
      return path;
    },
  };
}

/** Adds what setup.mjs needs beyond its own files: packages that are installed (none), and this Node. */
export function addSetup({ root }: ScratchCheckout): string {
  cpSync(join(repository, "deploy"), join(root, "deploy"), { recursive: true });
  mkdirSync(join(root, "node_modules"));
  writeFileSync(join(root, "package-lock.json"), `{"packages":{"":{}}}`);
  writeFileSync(join(root, "node_modules", ".package-lock.json"), `{"packages":{}}`);
  symlinkSync(process.execPath, join(root, "bin", "node"));
  return join(root, "deploy", "setup", "setup.mjs");
}

/** Bodies of scripts that say they are this server. */
export const natsScript = (version: string): string => `echo "nats-server: v${version}"`;
export const natsCliScript = (version: string): string => `[ "$1" = --version ] && echo v${version}`;
export const redisScript = (version: string, name = "Redis"): string =>
  `echo "${name} server v=${version} sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=e08dbad3e06f3fb"`;

export interface SetupEnd {
  readonly exitCode: number | null;
  readonly output: string;
}

export function startSetup(checkout: ScratchCheckout, script: string, ...words: string[]) {
  const child: ChildProcess = spawn(process.execPath, [script, ...words], {
    cwd: checkout.root,
    env: checkout.env,
  });
  // After a test that failed nobody else ends it.
  onTestFinished(() => void child.kill());
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += String(chunk)));
  const ended = once(child, "close").then((): SetupEnd => ({ exitCode: child.exitCode, output }));
  return { child, ended, outputSoFar: () => output };
}

export function runSetup(checkout: ScratchCheckout, script: string, ...words: string[]): Promise<SetupEnd> {
  return startSetup(checkout, script, ...words).ended;
}
