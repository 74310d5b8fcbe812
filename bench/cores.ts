/**
 * A core for Redis, and the others for its caller.
 *
 * The caller of a measurement never sleeps (driver.ts), and Linux likes to wake a process where the one runs that has
 * something for it. There Redis waits for its turn, some milliseconds each time, though another core is free.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Keeps a process on one core and this one off it, until disposed of. Where that cannot be done, says so on stderr. */
export function coresApart(pid: number): Disposable {
  const allowed = allowedCores();
  if (allowed === "") return nothingToUndo("only Linux keeps processes on cores");
  const [first, ...others] = coresIn(allowed);
  if (first === undefined || others.length === 0) return nothingToUndo("there is one core");
  if (!keepOn(String(first), pid) || !keepOn(others.join(","), process.pid)) {
    return nothingToUndo("taskset of util-linux is not there, or has failed");
  }
  return { [Symbol.dispose]: () => void keepOn(allowed, process.pid) };
}

/** @param list as Linux writes it: `0-3,8` */
export function coresIn(list: string): number[] {
  return list.split(",").flatMap((range) => {
    const [first = NaN, last = first] = range.split("-").map((core) => Number.parseInt(core, 10));
    return Number.isNaN(first) ? [] : Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** As Linux writes it; empty elsewhere. */
function allowedCores(): string {
  try {
    const status = readFileSync("/proc/self/status", "utf8");
    return /^Cpus_allowed_list:\s*(?<list>\S+)$/m.exec(status)?.groups?.["list"] ?? "";
  } catch {
    return "";
  }
}

/** Whether all threads of a process stay on these cores from now on. */
function keepOn(cores: string, pid: number): boolean {
  try {
    execFileSync("taskset", ["--all-tasks", "--cpu-list", "--pid", cores, String(pid)], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function nothingToUndo(why: string): Disposable {
  process.stderr.write(`Redis and its caller share their cores, and wait for each other: ${why}\n`);
  return { [Symbol.dispose]: () => undefined };
}
