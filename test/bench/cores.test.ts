import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { afterEach, expect, it, vi } from "vitest";
import { coresApart, coresIn } from "../../bench/cores.ts";

const canBeApart = process.platform === "linux" && availableParallelism() > 1;

function coresOf(pid: number): number[] {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return coresIn(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "");
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

it.each([
  ["0", [0]],
  ["0-1", [0, 1]],
  ["2-4,8", [2, 3, 4, 8]],
  ["", []],
])("reads %j", (list, cores) => {
  expect(coresIn(list)).toEqual(cores);
});

it.runIf(canBeApart)(
  "keeps a process on a core, and this one off it, for as long as that is wanted",
  async () => {
    const before = coresOf(process.pid);
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"]);
    await once(child, "spawn");
    const pid = child.pid as number;
    {
      using _apart = coresApart(pid);
      expect(coresOf(pid)).toEqual([before[0]]);
      expect(coresOf(process.pid)).toEqual(before.slice(1));
    }
    expect(coresOf(process.pid)).toEqual(before);
    child.kill("SIGKILL");
    await once(child, "exit");
  },
);

it("says so where it cannot be done, and changes nothing", () => {
  const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  vi.stubEnv("PATH", "/nowhere");
  const before = canBeApart ? coresOf(process.pid) : [];
  {
    using _apart = coresApart(process.pid);
    expect(canBeApart ? coresOf(process.pid) : []).toEqual(before);
  }
  expect(said).toHaveBeenCalledExactlyOnceWith(
    expect.stringMatching(/^Redis and its caller share their cores, and wait for each other: /),
  );
});
