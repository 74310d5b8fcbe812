/** Processes that start others and are killed: what becomes of those. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it, onTestFinished } from "vitest";
import { spawnOnLifeline } from "../../deploy/lifeline.ts";
import { childrenOf, isAlive } from "../cli/child.ts";

const MODULE = new URL("../../deploy/lifeline.ts", import.meta.url).href;
const PATIENCE = { timeout: 20_000 };

/** What the programs do: they write down that they started, and how they end. */
const PROGRAMS = {
  polite: `process.on("SIGTERM", () => { note("polite leaves"); process.exit(); });`,
  // It takes its time, so that what it needs could have gone meanwhile.
  served: `process.on("SIGTERM", () => setTimeout(() => { note("served leaves"); process.exit(); }, 300));`,
  stubborn: `process.on("SIGTERM", () => note("stubborn stays"));`,
} as const;

interface Scene {
  /** Pids of the programs, in the order of their start. */
  readonly pids: readonly number[];
  readonly killParent: () => void;
  readonly notes: () => Promise<string[]>;
}

/** A process of its own runs `script`, in which `start(name, options)` starts a program and resolves when it runs. */
async function playedBy(script: string): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), "parl-lifeline-"));
  const file = join(folder, "notes");
  const source = [
    `import { once } from "node:events";`,
    `import { spawnOnLifeline } from ${JSON.stringify(MODULE)};`,
    `const programs = ${JSON.stringify(PROGRAMS)};`,
    `const note = ${JSON.stringify(`const note = (text) => fs.appendFileSync(${JSON.stringify(file)}, text + "\\n");`)};`,
    `const start = async (name, options) => {`,
    `  const tail = "setInterval(() => {}, 1_000); console.log(process.pid);";`,
    `  const child = spawnOnLifeline(process.execPath, ["-e", note + programs[name] + tail], options);`,
    `  const [words] = await once(child.stdout, "data");`,
    `  process.stdout.write(words);`,
    `  return child;`,
    `};`,
    script,
    `console.log("started");`,
  ].join("\n");
  const parent = spawn(process.execPath, ["--input-type=module", "-e", source], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pids: number[] = [];
  onTestFinished(async () => {
    parent.kill("SIGKILL");
    for (const pid of pids.filter(isAlive)) process.kill(pid, "SIGKILL");
    await rm(folder, { recursive: true });
  });
  for await (const line of createInterface({ input: parent.stdout })) {
    if (line === "started") break;
    pids.push(Number(line));
  }
  return {
    pids,
    killParent: () => void parent.kill("SIGKILL"),
    notes: async () => (await readFile(file, "utf8").catch(() => "")).split("\n").filter(Boolean),
  };
}

it("tells a program to end when whoever started it is killed", async () => {
  const { pids, killParent, notes } = await playedBy(`await start("polite");`);
  expect(pids.filter(isAlive).length).toBe(1);
  killParent();
  await expect.poll(() => pids.filter(isAlive), PATIENCE).toEqual([]);
  expect(await notes()).toEqual(["polite leaves"]);
});

it("kills a program that does not end", async () => {
  const { pids, killParent, notes } = await playedBy(`await start("stubborn", { leaveWithinS: 1 });`);
  killParent();
  await expect.poll(() => pids.filter(isAlive), PATIENCE).toEqual([]);
  expect(await notes()).toEqual(["stubborn stays"]);
});

it("leaves a server to those whom it serves until they have gone", async () => {
  const { pids, killParent, notes } = await playedBy(
    `const servedBy = await start("polite"); await start("served", { servedBy });`,
  );
  killParent();
  await expect.poll(() => pids.filter(isAlive), PATIENCE).toEqual([]);
  expect(await notes()).toEqual(["served leaves", "polite leaves"]);
});

it("starts a program whose server has ended", async () => {
  const { pids, killParent, notes } = await playedBy(
    `const servedBy = await start("polite");
     servedBy.kill();
     await once(servedBy, "close");
     await start("served", { servedBy });`,
  );
  killParent();
  await expect.poll(() => pids.filter(isAlive), PATIENCE).toEqual([]);
  expect(await notes()).toEqual(["polite leaves", "served leaves"]);
});

it("is the program's own pid, output and exit code", async () => {
  const work = `console.log(process.pid); console.error(process.argv[1]); process.exitCode = 7;`;
  const child = spawnOnLifeline(process.execPath, ["-e", work, "an 'argument' $HOME"]);
  let [out, err] = ["", ""];
  child.stdout?.on("data", (chunk) => (out += chunk));
  child.stderr?.on("data", (chunk) => (err += chunk));
  expect(await once(child, "close")).toEqual([7, null]);
  expect([out, err]).toEqual([`${child.pid}\n`, "an 'argument' $HOME\n"]);
});

it("dismisses the watcher of a program that has ended, so that it signals nobody who gets that pid", async () => {
  const folder = await mkdtemp(join(tmpdir(), "parl-lifeline-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  // A watcher that was not dismissed sends a signal, and waits by this command.
  await writeFile(join(folder, "sleep"), `#!/bin/sh\necho sent > ${folder}/signal\n`, { mode: 0o755 });
  const work = "setInterval(() => {}, 1_000); console.log()";
  const child = spawnOnLifeline(process.execPath, ["-e", work], { env: { PATH: folder } });
  await once(child.stdout as NodeJS.ReadableStream, "data");
  const watchers = childrenOf(child.pid as number);
  expect(watchers.length).toBe(1);
  child.kill();
  await expect.poll(() => watchers.filter(isAlive), PATIENCE).toEqual([]);
  expect(await readdir(folder)).toEqual(["sleep"]);
});

it("passes a signal to the program itself", async () => {
  const child = spawnOnLifeline(process.execPath, ["-e", "setInterval(() => {}, 1_000); console.log()"]);
  await once(child.stdout as NodeJS.ReadableStream, "data");
  child.kill("SIGKILL");
  expect(await once(child, "close")).toEqual([null, "SIGKILL"]);
});

it("says that a program is not there", async () => {
  const child = spawnOnLifeline("/nowhere/program", []);
  let err = "";
  child.stderr?.on("data", (chunk) => (err += chunk));
  expect(await once(child, "close")).toEqual([127, null]);
  expect(err).toContain("/nowhere/program");
});
