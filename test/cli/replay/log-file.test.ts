import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { readLogFile, writeLogFile } from "../../../cli/replay/log-file.ts";

const folder = mkdtempSync(join(tmpdir(), "parl-log-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

const text = "10.0.0.1 - -\n".repeat(50_000);

async function read(name: string, signal = new AbortController().signal): Promise<string> {
  const chunks: Uint8Array[] = [];
  await readLogFile(join(folder, name), signal, (chunk) => chunks.push(chunk));
  return Buffer.concat(chunks).toString();
}

describe("a log file", () => {
  it("is read as it is, or unpacked when its name ends in .gz", async () => {
    writeFileSync(join(folder, "a.log"), text);
    writeFileSync(join(folder, "a.log.gz"), gzipSync(text));
    expect(await read("a.log")).toBe(text);
    expect(await read("a.log.gz")).toBe(text);
  });

  it("is written packed when its name ends in .gz", async () => {
    await writeLogFile(join(folder, "b.gz"), ["x\n", "y\n"]);
    await writeLogFile(join(folder, "b"), ["x\n", "y\n"]);
    expect(gunzipSync(readFileSync(join(folder, "b.gz"))).toString()).toBe("x\ny\n");
    expect(readFileSync(join(folder, "b"), "utf8")).toBe("x\ny\n");
  });

  it("is refused when it is no whole gzip", async () => {
    writeFileSync(join(folder, "cut.gz"), gzipSync(text).subarray(0, 200));
    writeFileSync(join(folder, "plain.gz"), text);
    for (const name of ["cut.gz", "plain.gz"]) {
      await expect(read(name)).rejects.toMatchObject({ code: "PARL_INVALID_FILE" });
    }
  });

  it("that is not there is the system's error", async () => {
    await expect(read("nowhere")).rejects.toMatchObject({ code: "ENOENT", syscall: "open" });
  });

  it("stops being read when the command is told to stop", async () => {
    const stop = new AbortController();
    stop.abort();
    await expect(read("a.log", stop.signal)).rejects.toMatchObject({ name: "AbortError" });
  });
});
