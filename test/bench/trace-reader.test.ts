import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventColumns } from "../../bench/events.ts";
import { readTrace, TraceParser } from "../../bench/trace-reader.ts";
import { eventsOf, rowsOf, SMALL_HEADER, textOf } from "./small-trace.ts";

const text = textOf(SMALL_HEADER);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "parl-trace-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

describe("reading a trace", () => {
  it.each(["a.trace", "a.trace.gz"])("gives back what was generated (%s)", async (name) => {
    const trace = await readTrace(await file(name, name.endsWith(".gz") ? gzipSync(text) : text));
    expect(trace.header).toEqual(SMALL_HEADER);
    expect(rowsOf(trace.events)).toEqual(rowsOf(eventsOf(SMALL_HEADER)));
  });

  it("does not mind where the bytes are cut into chunks", () => {
    for (const size of [1, 7, 4_096]) {
      const events = new EventColumns();
      const parser = new TraceParser("test", events);
      const bytes = Buffer.from(text);
      for (let from = 0; from < bytes.length; from += size) parser.push(bytes.subarray(from, from + size));
      expect(parser.finish()).toEqual(SMALL_HEADER);
      expect(rowsOf(events)).toEqual(rowsOf(eventsOf(SMALL_HEADER)));
    }
  });

  it("reads a recorded trace, which has no seed, and ignores members it does not know", async () => {
    const header = `{"format":"parl-trace","version":1,"keys":9,"startUs":5,"durationUs":10,"costMin":1,"costMax":2,"origin":"log"}`;
    const { header: read, events } = await readTrace(
      await file("recorded", `${header}\n0 8\n3 1 2\nend 2\n`),
    );
    expect(read).toMatchObject({
      keys: 9,
      dist: "recorded",
      shape: "recorded",
      seed: null,
      rate: null,
      zipfS: null,
    });
    expect(rowsOf(events)).toEqual([
      [5, 8, 1],
      [8, 1, 2],
    ]);
  });
});

describe("refusing a trace", () => {
  const truncated = {
    code: "PARL_INVALID_FILE",
    field: "trace",
    message: expect.stringContaining("truncated"),
  };

  it("says it is truncated wherever the text is cut", async () => {
    const end = text.lastIndexOf("end");
    for (const length of [end - 1_000, end - 1, end, end + 4, text.length - 1]) {
      const path = await file("cut.trace", text.slice(0, length));
      await expect(readTrace(path)).rejects.toMatchObject(truncated);
    }
  });

  it("says it is truncated when the gzip ends early, or its header never ends", async () => {
    const path = await file("cut.trace.gz", gzipSync(text));
    await truncate(path, 3_000);
    await expect(readTrace(path)).rejects.toMatchObject(truncated);
    await expect(readTrace(await file("head", text.slice(0, 40)))).rejects.toMatchObject(truncated);
    await expect(readTrace(await file("empty", ""))).rejects.toMatchObject(truncated);
  });

  it("says it is truncated when lines are missing in the middle", async () => {
    const lines = text.split("\n");
    lines.splice(100, 1);
    await expect(readTrace(await file("holed", lines.join("\n")))).rejects.toMatchObject(truncated);
  });

  it("names the version it does not know", async () => {
    const path = await file("v2", text.replace('"version":1', '"version":2'));
    await expect(readTrace(path)).rejects.toMatchObject({
      code: "PARL_UNSUPPORTED_VERSION",
      message: expect.stringMatching(/version 2, this reader knows 1/),
    });
  });

  it.each([
    ["something else", "GET / 200\n", /first line is not a parl-trace header/],
    ["a JSON that is no object", "null\n", /first line is not a parl-trace header/],
    ["a header without keys", `{"format":"parl-trace","version":1}\n`, /header member keys/],
    ["a key beyond the header's", text.replace(/\n\d+ \d+/, "\n1 50"), /line 2 has key 50/],
    ["a cost beyond the header's", text.replace(/\n\d+ \d+( \d+)?\n/, "\n1 1 4\n"), /line 2 has cost 4/],
    ["a negative distance", text.replace(/\n\d+ /, "\n-1 "), /line 2 has something else than digits/],
    ["a row of one number", text.replace(/\n\d+ \d+( \d+)?\n/, "\n7\n"), /line 2 is not/],
    ["a row after the end", `${text}1 1\n`, /follows the end line/],
    ["a strange end", text.replace(/end \d+/, "end many"), /is not `end <events>`/],
  ])("names the line of %s", async (_what, content, message) => {
    await expect(readTrace(await file("broken", content))).rejects.toMatchObject({
      code: "PARL_INVALID_FILE",
      message: expect.stringMatching(message),
    });
  });

  it("names the file that cannot be read", async () => {
    const path = join(folder, "absent");
    await expect(readTrace(path)).rejects.toMatchObject({
      code: "PARL_INVALID_FILE",
      message: expect.stringContaining(`cannot read trace ${path}`),
    });
  });

  it("says when something named .gz is none", async () => {
    await expect(readTrace(await file("fake.gz", text))).rejects.toMatchObject({ code: "PARL_INVALID_FILE" });
  });
});
