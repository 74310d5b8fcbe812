/** What a figure depends on besides the code: the machine and the commit it was measured on. */
import { execFileSync, type StdioOptions } from "node:child_process";
import { availableParallelism, cpus, totalmem } from "node:os";

/** What a run writes, and the next one of a series finds changed. */
const RESULTS = ["docs/lab", "docs/SELECTION.md"];

/** Columns of a row as they stand (row.ts). */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_gib: number;
  readonly node: string;
  /** Abbreviated; `+` when the checkout had changes other than results, `unknown` outside of one. */
  readonly commit: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    commit: commit(),
  };
}

/** One line, for the head of a report. */
export function machineLine({ cpu, cores, memory_gib, node, commit: id }: Machine): string {
  return `${cpu} · ${cores} cores · ${memory_gib} GiB · Node ${node} · commit ${id}`;
}

function commit(): string {
  try {
    const changes = git(
      "status",
      "--porcelain",
      "--",
      ":/",
      ...RESULTS.map((path) => `:(top,exclude)${path}`),
    );
    return git("rev-parse", "--short=12", "HEAD") + (changes === "" ? "" : "+");
  } catch {
    return "unknown";
  }
}

function git(...args: string[]): string {
  const stdio: StdioOptions = ["ignore", "pipe", "ignore"];
  return execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8", stdio }).trim();
}
