/**
 * The house rules that no off-the-shelf linter knows: which rooms there are, who may import whom, what is
 * banned and what to use instead. Each finding says where and what to do.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SELF = "test/tidy.test.ts";

/** Every room and the rooms it may import, directly or through them. A new room needs an ADR. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  algorithms: ["core"],
  admission: ["core", "algorithms"],
  actors: ["core", "algorithms", "admission"],
  lua: ["core"],
  client: ["core"],
  telemetry: ["core"],
  gateway: ["core", "algorithms", "admission", "actors", "lua", "client", "telemetry"],
  bench: ["core", "algorithms", "admission", "lua", "client", "telemetry", "deploy"],
  sim: ["core", "algorithms", "admission", "client", "deploy"],
  cli: [
    "core",
    "algorithms",
    "admission",
    "actors",
    "lua",
    "client",
    "telemetry",
    "gateway",
    "bench",
    "sim",
    "deploy",
  ],
};
const PURE_ROOMS = ["core", "algorithms", "admission"];
const OTHER_FOLDERS = ["deploy", "docs", "test", ".ci"];

/** What pure code may not say, and what to say instead. */
const BANNED_IN_PURE_ROOMS: readonly (readonly [RegExp, string])[] = [
  [/\bDate\b|\bperformance\b/, "take nowUs as an argument"],
  [/\bMath\.random\b|\bcrypto\b/, "take a Prng or a seed"],
  [/\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/, "return a wish, let the host schedule it"],
  [/\bprocess\.|\bBuffer\b|\bconsole\b/, "pure rooms know no Node; return it, let the host do it"],
  [/from "node:/, "pure rooms import no node: module"],
];

const BANNED_EVERYWHERE: readonly (readonly [RegExp, string])[] = [
  [/\bTODO\b|\bFIXME\b|\bXXX\b/, "do it, or open an issue"],
  [/@ts-ignore/, "fix the type"],
  [/["'`(]\/(?:work|root|home)\//, "name no path of one machine"],
];

const BANNED_FILE_NAMES =
  /^(?:utils?|helpers?|manager|service|data|misc|common)\b|-(?:utils?|helpers?|manager|service)\./;

/** Folders of test/ that mirror no room. */
const TEST_FOLDERS = ["harness", "conformance", "fixtures", "deploy", "transcripts"];
/** Tests of a whole room rather than one file. */
const ROOM_TESTS = [
  "actors/flood",
  "actors/journal/foreign-records",
  "algorithms/conformance",
  "bench/conformance",
  "lua/agreement",
  "lua/conformance",
  "sim/replay-agreement",
];
/** The conformance kit leaves out rows for a stated reason. */
const REASONED_SKIPS = "test/conformance/limiter.ts";

const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && existsSync(join(ROOT, path)));
const sources = tracked.filter((path) => path.endsWith(".ts"));

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

function roomOf(path: string): string {
  return path.includes("/") ? (path.split("/")[0] as string) : "";
}

/** The code without its comments, lines kept. */
function codeOf(path: string): string {
  const withoutBlocks = read(path).replaceAll(/\/\*[\s\S]*?\*\//g, (comment) =>
    comment.replaceAll(/[^\n]/g, ""),
  );
  return withoutBlocks.replaceAll(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

/** Relative imports of a file, as paths from the root. */
function importsOf(path: string): string[] {
  const specifiers = [...codeOf(path).matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(
    ([, target]) => target as string,
  );
  return specifiers.map((target) => relative(ROOT, resolve(ROOT, dirname(path), target)));
}

function findings(paths: readonly string[], rules: readonly (readonly [RegExp, string])[]): string[] {
  return paths.flatMap((path) =>
    codeOf(path)
      .split("\n")
      .flatMap((line, i) =>
        rules
          .filter(([ban]) => ban.test(line))
          .map(([, instead]) => `${path}:${i + 1} ${line.trim()} → ${instead}`),
      ),
  );
}

describe("the house", () => {
  it("has only the rooms it is known to have", () => {
    const rooms = new Set(tracked.map(roomOf).filter((room) => room !== ""));
    const known = new Set([...Object.keys(MAY_IMPORT), ...OTHER_FOLDERS]);
    expect([...rooms].filter((room) => !known.has(room))).toEqual([]);
  });

  it("is imported along its arrows only", () => {
    const strays = sources.flatMap((path) => {
      const allowed = MAY_IMPORT[roomOf(path)];
      if (allowed === undefined) return [];
      return importsOf(path)
        .filter((target) => roomOf(target) !== roomOf(path) && !allowed.includes(roomOf(target)))
        .map((target) => `${path} → ${target}`);
    });
    expect(strays).toEqual([]);
  });

  it("keeps clocks, timers, randomness and Node out of its pure rooms", () => {
    const pure = sources.filter((path) => PURE_ROOMS.includes(roomOf(path)));
    expect(findings(pure, BANNED_IN_PURE_ROOMS)).toEqual([]);
  });

  it("constructs the real clock only where programs start", () => {
    const places = sources.filter(
      (path) => roomOf(path) !== "test" && /new SystemClock\(/.test(codeOf(path)),
    );
    expect(places.filter((path) => roomOf(path) !== "cli" && basename(path) !== "main.ts")).toEqual([]);
  });

  it("says nothing that is banned everywhere", () => {
    const self = relative(ROOT, fileURLToPath(import.meta.url));
    expect(
      findings(
        sources.filter((path) => path !== self),
        BANNED_EVERYWHERE,
      ),
    ).toEqual([]);
  });

  it("has no drawer for odds and ends", () => {
    expect(tracked.filter((path) => BANNED_FILE_NAMES.test(basename(path)))).toEqual([]);
  });

  it("keeps every file short enough to read in one go", () => {
    const long = sources
      .map((path) => [path, read(path).split("\n").length - 1] as const)
      .filter(([, lines]) => lines > 400);
    expect(long).toEqual([]);
  });

  it("does not sleep in tests", () => {
    const tests = sources.filter(
      (path) => roomOf(path) === "test" && path !== REASONED_SKIPS && path !== SELF,
    );
    const sleeping: readonly (readonly [RegExp, string])[] = [
      [
        /await (?:sleep|delay)\(|setTimeout\((?:resolve|done|r)\b/,
        "advance the clock, or wait for the event",
      ],
      [/\b(?:it|test|describe)\.(?:skip|only|todo)\b/, "run it or delete it"],
    ];
    expect(findings(tests, sleeping)).toEqual([]);
  });

  it("mirrors its rooms in test/", () => {
    const orphans = sources
      .filter((path) => path.startsWith("test/") && path.endsWith(".test.ts") && path !== SELF)
      .filter((path) => !TEST_FOLDERS.includes(path.split("/")[1] as string))
      .filter((path) => {
        const name = path.slice("test/".length).replace(/(?:\.(?:prop|int|sim))?\.test\.ts$/, "");
        return (
          !ROOM_TESTS.includes(name) && !existsSync(join(ROOT, `${name}.ts`)) && !existsSync(join(ROOT, name))
        );
      });
    expect(orphans).toEqual([]);
  });
});
