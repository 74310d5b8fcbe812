import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXPERIMENTS } from "../../../bench/lab/experiments.ts";
import { jsonText, type Result } from "../../../bench/lab/result.ts";
import { selectionPage } from "../../../bench/lab/selection/page.ts";
import { measuredResults } from "./measured-results.ts";
import { runBench, runShell } from "../run-bench.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "parl-lab-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("npm run lab", () => {
  it("runs the experiment that is named, and writes four files where it is told", async () => {
    const args = ["--quick", "--out", join(folder, "made"), "--seed", "5", "--json", "hot-log"];
    const { code, stdout, stderr } = await runBench("lab/main.ts", ...args);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.trimEnd().split("\n")).toHaveLength(1);
    expect(JSON.parse(stdout)).toMatchObject({ experiment: "hot-log", seed: 5, quick: true });
    const names = ["hot-log.csv", "hot-log.json", "hot-log.png", "hot-log.svg"];
    expect((await readdir(join(folder, "made"))).toSorted()).toEqual(names);
    const file = JSON.parse(await readFile(join(folder, "made", "hot-log.json"), "utf8")) as Result;
    expect(file).toEqual(JSON.parse(stdout));
    expect(Math.abs(Date.parse(file.date ?? "") - Date.now())).toBeLessThan(60_000);
  });

  it("tells what is measured from what is exact", async () => {
    const { stdout } = await runBench("lab/main.ts", "--help");
    expect(stdout).toMatch(/^ {2}boundary-burst +exact /m);
    expect(stdout).toMatch(/^ {2}hot-log +measured /m);
  });

  it("names the experiments when it does not know one", async () => {
    const { code, stdout, stderr } = await runBench("lab/main.ts", "boundary-burst", "burst");
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^NAME must be one of .*boundary-burst, .*, got "burst"\n$/);
  });

  it("makes the selection page of the results that are there, beside their folder", async () => {
    const lab = join(folder, "lab");
    await mkdir(lab);
    const results = await measuredResults();
    for (const [name, result] of results) await writeFile(join(lab, `${name}.json`), jsonText(result));
    const { code, stdout, stderr } = await runBench("lab/main.ts", "--selection", "--out", lab);
    const path = join(folder, "SELECTION.md");
    expect([code, stdout, stderr]).toEqual([0, "", `${path}\n`]);
    expect(await readFile(path, "utf8")).toBe(selectionPage(results, EXPERIMENTS, "lab"));
  });

  it("keeps the page that was there when a result is missing, of a quick run, or no result", async () => {
    const lab = join(folder, "lab");
    const path = join(folder, "SELECTION.md");
    await mkdir(lab);
    await writeFile(path, "old\n");
    const results = await measuredResults();
    results.set("hot-log", { ...results.get("hot-log")!, quick: true });
    results.delete("expiry");
    for (const [name, result] of results) await writeFile(join(lab, `${name}.json`), jsonText(result));
    const refused = async (...flags: string[]): Promise<string> => {
      const { code, stdout, stderr } = await runBench("lab/main.ts", "--selection", "--out", lab, ...flags);
      expect([code, stdout]).toEqual([2, ""]);
      expect(await readFile(path, "utf8")).toBe("old\n");
      return stderr;
    };
    expect(await refused()).toBe(`hot-log in ${lab} ran with --quick: run \`npm run lab -- hot-log\`\n`);
    expect(await refused("--quick")).toMatch(/^no result of expiry: .*; run `npm run lab -- expiry`\n$/);
    expect(await refused("hot-log")).toMatch(/^NAME must be left out with --selection, got "hot-log"\n$/);
    await writeFile(join(lab, "expiry.json"), "{");
    expect(await refused()).toMatch(/^cannot read .*expiry\.json: .*; run `npm run lab -- expiry` again\n$/);
  });

  it("leaves the result that was there, whole, when the disk has no room", async () => {
    for (const extension of ["json", "csv", "svg", "png"]) {
      await writeFile(join(folder, `burst-shaping.${extension}`), "old\n");
    }
    // A limit on the size of files fails a write like a full disk does: there is room for the tables, none for the plot.
    const { code, stderr } = await runShell(
      `ulimit -f 80; "$NODE" "$BENCH/lab/main.ts" --out ${folder} burst-shaping`,
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/^cannot write .*burst-shaping\.svg: EFBIG.*\n$/);
    const names = await readdir(folder);
    expect(names).toHaveLength(4);
    for (const name of names) expect(await readFile(join(folder, name), "utf8")).toBe("old\n");
  });

  it("says before it works that it cannot write, and what to do without a Redis", async () => {
    const taken = join(folder, "taken");
    await writeFile(taken, "");
    const unwritable = await runBench("lab/main.ts", "--out", join(taken, "lab"), "hot-log");
    expect([unwritable.code, unwritable.stderr]).toEqual([
      2,
      expect.stringMatching(/^cannot write .*ENOTDIR/),
    ]);
    const without = await runShell(
      `PARL_REDIS_SERVER=/none "$NODE" "$BENCH/lab/main.ts" --out ${folder} --quick hot-log`,
    );
    expect(without.code).toBe(1);
    expect(without.stderr).toMatch(/^PARL_REDIS_SERVER: \/none .*\n$/);
    expect(await readdir(folder)).toEqual(["taken"]);
  });
});
