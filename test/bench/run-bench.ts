/** Runs one of the bench's commands as a user would: a process of its own, its output, its exit code. */
import { execFile } from "node:child_process";
import { join } from "node:path";

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function runBench(file: string, ...args: string[]): Promise<Finished> {
  const path = join(import.meta.dirname, "../../bench", file);
  return new Promise((resolve) => {
    execFile(process.execPath, [path, ...args], { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({
        code: typeof error?.code === "number" ? error.code : error === null ? 0 : 1,
        stdout,
        stderr,
      });
    });
  });
}

/** Runs a shell line in which `$BENCH` is the folder of the commands and `$NODE` this Node. */
export function runShell(line: string): Promise<Finished> {
  const env = { ...process.env, NODE: process.execPath, BENCH: join(import.meta.dirname, "../../bench") };
  return new Promise((resolve) => {
    execFile("sh", ["-c", line], { env }, (error, stdout, stderr) => {
      resolve({
        code: typeof error?.code === "number" ? error.code : error === null ? 0 : 1,
        stdout,
        stderr,
      });
    });
  });
}
