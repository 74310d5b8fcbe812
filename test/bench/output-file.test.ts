import { lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { createServer } from "node:net";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeFolder, writeWhole } from "../../bench/output-file.ts";

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

  it("takes the place of what a link leads to, not of the link", async () => {
    const [path, link] = [join(folder, "rows.csv"), join(folder, "latest.csv")];
    await writeFile(path, "before");
    await symlink(path, link);
    await writeWhole(link, ["one\n"]);
    expect(await readFile(path, "utf8")).toBe("one\n");
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
  });

  it("leaves alone what is there and is no file, which renaming would take the place of", async () => {
    const socket = join(folder, "socket");
    const server = createServer().listen(socket);
    await once(server, "listening");
    try {
      for (const path of [socket, folder]) {
        await expect(writeWhole(path, ["one\n"])).rejects.toMatchObject({
          code: "PARL_INVALID_FILE",
          message: expect.stringContaining(`cannot write ${path}: it is there and is no file`),
        });
      }
      expect((await stat(socket)).isSocket()).toBe(true);
      expect(await readdir(folder)).toEqual(["socket"]);
    } finally {
      server.close();
    }
  });
});

describe("making a folder", () => {
  it("makes those above it too, and does not mind that it is there", async () => {
    const path = join(folder, "a", "b", "c");
    await makeFolder(path);
    await makeFolder(path);
    expect((await stat(path)).isDirectory()).toBe(true);
  });

  it("gives up where nothing can be made", async () => {
    await writeFile(join(folder, "taken"), "");
    const taken = join(folder, "taken", "a", "b");
    for (const path of [taken, join(folder, "taken"), "/proc/absent", "/proc/absent/lab"]) {
      await expect(makeFolder(path)).rejects.toMatchObject({
        code: "PARL_INVALID_FILE",
        message: expect.stringContaining(`cannot write ${path}: `),
      });
    }
  });
});
