import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { isAlive } from "../child.ts";

const MODULE = new URL("../../../cli/up/process-group.ts", import.meta.url).href;

/** Runs a script that has a ProcessGroup, in a process of its own: what it printed, and the pids of its parts. */
async function outcomeOf(script: string): Promise<{ printed: string; pids: number[] }> {
  const folder = await mkdtemp(join(tmpdir(), "parl-group-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const pidFile = join(folder, "pids");
  const lines = [
    `import { ProcessGroup } from ${JSON.stringify(MODULE)};`,
    `const said = [];`,
    `let onSaid = () => {};`,
    `const group = new ProcessGroup((line) => {`,
    `  if (line.includes("starting it again")) said.push(line);`,
    `  onSaid();`,
    `});`,
    `const start = (work) => group.start({`,
    `  title: "part", path: process.execPath, env: {}, readyLine: /^ready/,`,
    `  args: ["-e", "fs.appendFileSync(process.argv[1], process.pid + ' '); console.log('ready'); " + work,`,
    `    ${JSON.stringify(pidFile)}],`,
    `}, new AbortController().signal);`,
    script,
  ];
  const argv = ["--input-type=module", "-e", lines.join("\n")];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  const pids = await readFile(pidFile, "utf8").catch(() => "");
  return { printed: stdout, pids: pids.split(" ").filter(Boolean).map(Number) };
}

it("takes its parts with it when its process exits without ending them, however stubborn", async () => {
  const { pids } = await outcomeOf(`
    await start("process.on('SIGTERM', () => {}); setInterval(() => {}, 1_000)");
    process.exit(0);`);
  expect(pids.length).toBe(1);
  // Killed at once, but there until its new parent has taken note.
  await expect.poll(() => pids.filter(isAlive), { timeout: 20_000 }).toEqual([]);
});

it("starts nothing once it has been stopped", async () => {
  const { pids } = await outcomeOf(`
    await group.stop();
    await start("setInterval(() => {}, 1_000)");`);
  expect(pids).toEqual([]);
});

it("keeps nobody waiting for a part that it would have started again", async () => {
  const { printed, pids } = await outcomeOf(`
    const hasDied = new Promise((resolve) => (onSaid = () => said.length === 4 && resolve()));
    await start("");
    await hasDied;
    await group.stop();
    const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout");
    console.log(said.at(-1).replace("part ended (exit code 0); ", ""), timers.length);`);
  expect(printed).toContain("starting it again in 400 ms 0");
  expect(pids.length).toBe(4);
});
