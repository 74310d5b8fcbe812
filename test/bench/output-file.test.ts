import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeWhole } from "../../bench/output-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "parl-output-"));
});
afterEach(() => rm(folder, { recursive: true }));

function* failing(): Generator<string> {
  yield "one\n";
  throw new RangeError("no second row");
}

describe("writing a whole file", () => {
  it("replaces what was there, and compresses by name", async () => {
    const plain = join(folder, "rows.csv");
    await writeFile(plain, "before");
    await writeWhole(plain, ["one\n", "two\n"]);
    await writeWhole(join(folder, "rows.gz"), ["one\n", "two\n"]);
    expect(await readFile(plain, "utf8")).toBe("one\ntwo\n");
    expect(gunzipSync(await readFile(join(folder, "rows.gz"))).toString()).toBe("one\ntwo\n");
    expect(await readdir(folder)).toEqual(["rows.csv", "rows.gz"]);
  });

  it("leaves the old file and nothing else when the source fails half-way", async () => {
    const path = join(folder, "rows.csv");
    await writeFile(path, "before");
    await expect(writeWhole(path, failing())).rejects.toThrow("no second row");
    expect(await readFile(path, "utf8")).toBe("before");
    expect(await readdir(folder)).toEqual(["rows.csv"]);
  });

  it("names the path that cannot be written", async () => {
    const path = join(folder, "absent", "rows.csv");
    await expect(writeWhole(path, ["one\n"])).rejects.toMatchObject({
      code: "PARL_INVALID_FILE",
      message: expect.stringContaining(`cannot write ${path}`),
    });
  });
});
