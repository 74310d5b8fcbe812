import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runBench, runShell } from "./run-bench.ts";

const SMALL = ["--keys", "100", "--rate", "2_000", "--duration", "1s", "--seed", "9"];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "parl-gen-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("npm run gen", () => {
  it("writes the same bytes to a file, a compressed file and standard output", async () => {
    const [plain, compressed] = [join(folder, "t.trace"), join(folder, "t.trace.gz")];
    const runs = await Promise.all([
      runBench("gen.ts", ...SMALL),
      runBench("gen.ts", ...SMALL, "--out", plain),
      runBench("gen.ts", ...SMALL, "--out", compressed),
    ]);
    expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual(runs.map(() => [0, ""]));
    const text = runs[0].stdout;
    expect(text).toMatch(/^\{"format":"parl-trace","version":1,.*\nend \d+\n$/s);
    expect(await readFile(plain, "utf8")).toBe(text);
    expect(gunzipSync(await readFile(compressed)).toString()).toBe(text);
  });

  it("can be read by awk", async () => {
    const { stdout } = await runShell(
      `"$NODE" "$BENCH/gen.ts" ${SMALL.join(" ")} | awk '/^[0-9]/ { n++; us += $1 } /^end/ { print n == $2, us < 1e6 }'`,
    );
    expect(stdout).toBe("1 1\n");
  });

  it("ends quietly when its reader has seen enough", async () => {
    const { code, stderr } = await runShell(`"$NODE" "$BENCH/gen.ts" --rate 200_000 | head -n 1 > /dev/null`);
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("leaves nothing behind when the disk has no room", async () => {
    const path = join(folder, "big.trace");
    // A limit on the size of files fails a write like a full disk does.
    const { code, stderr } = await runShell(
      `ulimit -f 8; "$NODE" "$BENCH/gen.ts" --rate 50_000 --out ${path}`,
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/^cannot write .*big\.trace: EFBIG.*\n$/);
    expect((await readdir(folder)).filter((name) => name.startsWith("big"))).toEqual([]);
  });

  it("answers bad input with one clear line", async () => {
    const { code, stdout, stderr } = await runBench("gen.ts", "--rate", "0");
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toBe('--rate must be a number above 0 and at most 1000000000, got "0"\n');
  });
});
