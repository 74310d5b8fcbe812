import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { REDIS_ALGORITHMS } from "../../lua/limiter-params.ts";
import { loadScript } from "../../lua/script-loader.ts";

const FOLDER = join(import.meta.dirname, "../../lua");

const HEADER = `--[[
Test.

Keys
  one

Arguments
  mode      check|report  what
  capacity  0..10         units

Arguments per key
  now_us    0..2^52       when
  cost      0..5          units

Returns per key, as one line of text
  outcome   0..2          what

Errors
  none
]]
`;

const scratch: string[] = [];

afterEach(() => {
  for (const folder of scratch.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder of scripts. @param files texts by path */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "parl-lua-"));
  scratch.push(folder);
  mkdirSync(join(folder, "includes"));
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text);
  return folder;
}

describe("a script", () => {
  it("exists for every algorithm, and no other does", () => {
    const names = readdirSync(FOLDER).filter((path) => path.endsWith(".lua"));
    expect(names.map((path) => basename(path, ".lua")).toSorted()).toEqual([...REDIS_ALGORITHMS].toSorted());
  });

  it("is named by the SHA-1 of what is sent, as Redis names it", () => {
    const { text, sha1 } = loadScript("gcra");
    expect(sha1).toBe(createHash("sha1").update(text).digest("hex"));
  });

  it("is sent without its comments", () => {
    for (const name of REDIS_ALGORITHMS) {
      const lines = loadScript(name).text.split("\n");
      expect(lines.filter((line) => line.includes("--"))).toEqual([]);
    }
  });

  it("takes its arguments by the names and in the order of its header", () => {
    const body = "--- @arguments\nfor i = 1, #KEYS do\n  --- @arguments-per-key i\nend\n";
    const { text } = loadScript("test", folderOf({ "test.lua": HEADER + body }));
    expect(text.split("\n")).toEqual([
      "local mode, capacity = ARGV[1], ARGV[2] + 0",
      "for i = 1, #KEYS do",
      "local now_us, cost = ARGV[2 * i + 1], ARGV[2 * i + 2]",
      "end",
      "",
    ]);
  });

  it("has each include once, before it is needed", () => {
    const folder = folderOf({
      "test.lua": `${HEADER}--- @include "a"\n--- @include "b"\nreturn 1\n`,
      "includes/a.lua": '--- @include "b"\nlocal a = b\n',
      "includes/b.lua": "-- What b is.\nlocal b = 1\n",
    });
    expect(loadScript("test", folder).text).toBe("local b = 1\nlocal a = b\nreturn 1\n");
  });

  it("goes on where what it is within says so", () => {
    const folder = folderOf({
      "test.lua": `${HEADER}local a = 1\n--- @within "loop"\n--- @include "b"\n--- @include "c"\nuse(b)\n`,
      "includes/loop.lua": '--- @include "b"\nfor i = 1, 2 do\n  --- @rest\nend\nreturn a\n',
      "includes/b.lua": "local b = 1\n",
      "includes/c.lua": "local c = 1\n",
    });
    expect(loadScript("test", folder).text.split("\n")).toEqual([
      "local a = 1",
      "local b = 1",
      "for i = 1, 2 do",
      "local c = 1",
      "use(b)",
      "end",
      "return a",
      "",
    ]);
  });
});

describe("a script is refused", () => {
  it.each([
    ["that has no header", { "test.lua": "return 1\n" }, "test.lua: it does not start with its contract"],
    [
      "whose header lacks a section",
      { "test.lua": HEADER.replace("Errors\n  none\n", "") },
      'test.lua: its header has no "Errors"',
    ],
    [
      "whose header has a line that says nothing",
      { "test.lua": HEADER.replace("0..10         units", "units") },
      'test.lua: "capacity  units" is not "name  kind  meaning"',
    ],
    [
      "whose header has a range that is none",
      { "test.lua": HEADER.replace("0..10", "10..0") },
      "test.lua: 10..0 is no range of whole numbers (of capacity)",
    ],
    [
      "that includes what is not there",
      { "test.lua": `${HEADER}--- @include "nothing"\n` },
      "test.lua: there is no includes/nothing.lua in ",
    ],
    [
      "that includes itself, and how is said",
      {
        "test.lua": `${HEADER}--- @include "a"\n`,
        "includes/a.lua": '--- @include "b"\n',
        "includes/b.lua": '--- @include "a"\n',
      },
      "test.lua → includes/a.lua → includes/b.lua: includes/a.lua includes itself",
    ],
    [
      "that misspells a directive",
      { "test.lua": `${HEADER}--- @argument\n` },
      "test.lua: there is no directive @argument",
    ],
    [
      "that is within what has no place for it",
      { "test.lua": `${HEADER}--- @within "a"\nreturn 1\n`, "includes/a.lua": "local a = 1\n" },
      'test.lua: "a" has no @rest, or is in the text already',
    ],
    [
      "that includes what others are within",
      { "test.lua": `${HEADER}--- @include "a"\n`, "includes/a.lua": "--- @rest\n" },
      "test.lua → includes/a.lua: nothing is within it here, for @rest",
    ],
    [
      "that names an include without quotes",
      { "test.lua": `${HEADER}--- @include a\n` },
      'test.lua: an include is written @include "name", not a',
    ],
  ])("%s", (_, files, message) => {
    expect(() => loadScript("test", folderOf(files))).toThrow(
      expect.objectContaining({
        name: "ScriptLoaderError",
        message: expect.stringContaining(message) as string,
      }),
    );
  });
});

/** What lets numbers be rounded, or keys live for ever, without anybody noticing. */
const BANNED: readonly (readonly [RegExp, string])[] = [
  [/\btostring\b/, "rounds to 14 digits: string.format('%.0f', …)"],
  [/%d|%s|%g/, "string.format('%.0f', …) is exact for every whole number"],
  [/'(?:PX|PEXPIRE)', (?!(?:key, )?ttl_ms)/, "a lifetime comes from includes/lifetime.lua"],
  [/redis\.pcall/, "an error must reach the caller"],
  [/'(?:INCR|INCRBY|EXPIRE|EX|SETEX|HSET)'/, "state is written with its expiry, in µs"],
  [/\bARGV\[|\bKEYS\[(?!i\])/, "arguments have names: --- @arguments"],
];

it("no script says what loses digits or expiries", () => {
  const paths = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((path) =>
    path.endsWith(".lua"),
  );
  expect(paths.length).toBeGreaterThan(REDIS_ALGORITHMS.length);
  const findings = paths.flatMap((path) => {
    const code = readFileSync(join(FOLDER, path), "utf8").replace(/^--\[\[[\s\S]*?\]\]/, "");
    return code.split("\n").flatMap((line) => {
      if (/^\s*--/.test(line)) return [];
      return BANNED.filter(([ban]) => ban.test(line)).map(([, why]) => `${path}: ${line.trim()} → ${why}`);
    });
  });
  expect(findings).toEqual([]);
});
