import { mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { loadPolicyFile, watchPolicyFile, type PolicyFileWatch } from "../../actors/policy-file.ts";
import { PolicyFileError } from "../../admission/policy-file-error.ts";
import type { PolicyDocument } from "../../admission/policy.ts";

const FIXTURES = new URL("../fixtures/policies/", import.meta.url).pathname;
const DEFAULT = new URL("../../deploy/policies/default.yaml", import.meta.url).pathname;

/** Where each broken fixture is broken; an empty path is the file as a whole. */
const BROKEN: Record<string, readonly string[]> = {
  "bad-names.yaml": [
    "tenants.acme.plan",
    'tenants[""]',
    "policies[1].name",
    "policies[2].name",
    "policies[3].name",
  ],
  "billion-laughs.yaml": [3, 4, 5, 6, 7, 8, 9]
    .flatMap((line) => [8, 12, 16, 20, 24, 28, 32, 36, 40].map((column) => `line ${line}, column ${column}`))
    .concat("line 10, column 11"),
  "bursts.yaml": [
    "policies[0].burst",
    "policies[1].burst",
    "policies[2].subWindows",
    "policies[3].subWindows",
  ],
  "byte-order-mark.yaml": [""],
  "cyclic-alias.yaml": ["line 3, column 5"],
  "empty.json": [""],
  "empty.yaml": [""],
  "equal-keys.json": ["line 10, column 7"],
  "equal-keys.yaml": ["line 9, column 1", "line 8, column 5"],
  "hostile-names.json": [
    "policies[0].name",
    "policies[0].match.__proto__",
    "policies[0].__proto__",
    "__proto__",
    "constructor",
  ],
  "hostile-names.yaml": ["policies[0].name", "policies[0].__proto__", "__proto__", "constructor"],
  "inexact.yaml": ["policies[0].limit", "policies[1].burst"],
  "limits.yaml": [0, 1, 2, 3, 4, 5, 6, 7, 8].map((index) => `policies[${index}].limit`),
  "matches.yaml": [
    "policies[0].match",
    "policies[1].match",
    "policies[2].match",
    "policies[3].match.tenant",
    "policies[4].match.tenant[1]",
    "policies[4].match.tenant[2]",
    "policies[5].match.tenant",
    "policies[6].match.plan[1]",
  ],
  "missing-fields.yaml": [
    "version",
    "tenants.acme",
    ...[0, 1].flatMap((index) =>
      ["name", "dimension", "algorithm", "limit", "window"].map((field) => `policies[${index}].${field}`),
    ),
  ],
  "not-a-mapping.yaml": [""],
  "only-comments.yaml": [""],
  "syntax.yaml": ["line 4, column 1"],
  "tabs.yaml": ["line 3, column 1"],
  "tag.yaml": ["line 2, column 11"],
  "trailing-comma.json": [""],
  "truncated.json": [""],
  "two-documents.yaml": ["line 3, column 1"],
  "unknown-fields.yaml": ["policies[0].match.tenent", "policies[0].burts", "policies[0].colour", "tenant"],
  "unknown-names.yaml": ["policies[0].dimension", "policies[0].algorithm", "policies[0].onFailure"],
  "utf-16.yaml": [""],
  "version.yaml": ["version"],
  "windows.yaml": [0, 1, 2, 3, 4, 5, 6, 7, 8].map((index) => `policies[${index}].window`),
};

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "parl-policies-"));
  path = join(folder, "policies.yaml");
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

function textOf(limit: number): string {
  return `version: 1\npolicies: [{ name: a, dimension: key, algorithm: gcra, limit: ${limit}, window: 1s }]\n`;
}

/** A document whose one policy has this limit. */
function withLimit(limit: number): object {
  return { policies: [{ limit }] };
}

async function refusalOf(file: string): Promise<PolicyFileError> {
  const outcome = await loadPolicyFile(file).catch((error: unknown) => error);
  if (outcome instanceof PolicyFileError) return outcome;
  throw new Error(`${file} was read, or failed in another way`, { cause: outcome });
}

describe("loadPolicyFile", () => {
  it.each(Object.entries(BROKEN))("refuses %s with every problem it has", async (name, paths) => {
    const error = await refusalOf(`${FIXTURES}bad/${name}`);
    expect(error.problems.map((problem) => problem.path)).toStrictEqual(paths);
    expect(error.message).toContain(name);
    expect({}).not.toHaveProperty("polluted");
  });

  it("has an expectation for every broken fixture", async () => {
    expect(new Set(await readdir(`${FIXTURES}bad`))).toStrictEqual(new Set(Object.keys(BROKEN)));
  });

  it("refuses what is no file, no text, too large or too deep", async () => {
    expect((await refusalOf(folder)).message).toContain("is not a regular file");
    expect((await refusalOf(path)).message).toContain("cannot be read (Error: ENOENT");
    await writeFile(path, `# ${"x".repeat(2 ** 20)}`);
    expect((await refusalOf(path)).message).toContain("has 1048578 bytes, more than 1 MiB");
    await writeFile(path, `policies: ${"[".repeat(5_000)}${"]".repeat(5_000)}`);
    expect((await refusalOf(path)).message).toContain("nest less deeply");
  });

  it("reads YAML and JSON alike", async () => {
    const yaml = await loadPolicyFile(`${FIXTURES}good/every-field.yaml`);
    expect(yaml).toStrictEqual(await loadPolicyFile(`${FIXTURES}good/every-field.json`));
    expect(yaml.policies.map(({ name }) => name)).toStrictEqual(["per-key", "listed", "by-plan", "strict"]);
    expect(yaml.plans.size).toBe(4);
  });

  it("finds 100 checks a minute and key in the file PARL starts with", async () => {
    const { policies } = await loadPolicyFile(DEFAULT);
    expect(policies.map(({ dimension }) => dimension)).toStrictEqual(["key", "user", "org", "global"]);
    expect(policies[0]).toMatchObject({ algorithm: "gcra", limit: 100, windowUs: 60_000_000, match: {} });
    for (const { limit } of policies.slice(1)) expect(limit).toBeGreaterThan(100);
  });
});

/** What a watch reports, one after another. */
class Reports {
  readonly #waiting: (PolicyDocument | Error)[] = [];
  #arrived: () => void = () => {};

  add(report: PolicyDocument | Error): void {
    this.#waiting.push(report);
    this.#arrived();
  }

  /** Rejected by the test's own time limit where nothing is ever reported. */
  async next(): Promise<PolicyDocument | Error> {
    for (;;) {
      const report = this.#waiting.shift();
      if (report !== undefined) return report;
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }
}

function watchFor(current?: PolicyDocument): Reports & { watch: PolicyFileWatch } {
  const reports = new Reports();
  const add = (report: PolicyDocument | Error): void => reports.add(report);
  const watch = watchPolicyFile(path, { onChange: add, onError: add, ...(current && { current }) });
  onTestFinished(() => watch.close());
  return Object.assign(reports, { watch });
}

describe("watchPolicyFile", () => {
  it("reports the first reading to who has none", async () => {
    await writeFile(path, textOf(1));
    expect(await watchFor().next()).toMatchObject(withLimit(1));
  });

  it("reports a file that was saved between loading and watching", async () => {
    await writeFile(path, textOf(1));
    const current = await loadPolicyFile(path);
    await writeFile(path, textOf(2));
    expect(await watchFor(current).next()).toMatchObject(withLimit(2));
  });

  it("sees a file written in place, and one renamed over it", async () => {
    await writeFile(path, textOf(1));
    const reports = watchFor();
    expect(await reports.next()).toMatchObject(withLimit(1));
    await writeFile(path, textOf(2));
    expect(await reports.next()).toMatchObject(withLimit(2));
    await writeFile(`${path}.new`, textOf(3));
    await rename(`${path}.new`, path);
    expect(await reports.next()).toMatchObject(withLimit(3));
  });

  it("reports a broken file with all problems, then the repaired one", async () => {
    await writeFile(path, textOf(1));
    const reports = watchFor(await loadPolicyFile(path));
    await writeFile(path, `${textOf(-1)}colour: blue\n`);
    expect(await reports.next()).toMatchObject({
      problems: [{ path: "policies[0].limit" }, { path: "colour" }],
    });
    await rm(path);
    expect(await reports.next()).toMatchObject({ message: expect.stringContaining("ENOENT") });
    await writeFile(path, textOf(1));
    expect(await reports.next()).toMatchObject(withLimit(1));
  });

  it("sees a mounted folder change by its ..data link", async () => {
    await mkdir(join(folder, "v1"));
    await mkdir(join(folder, "v2"));
    await writeFile(join(folder, "v1", "policies.yaml"), textOf(1));
    await writeFile(join(folder, "v2", "policies.yaml"), textOf(2));
    await symlink("v1", join(folder, "..data"));
    await symlink(join("..data", "policies.yaml"), path);
    const reports = watchFor();
    expect(await reports.next()).toMatchObject(withLimit(1));
    await symlink("v2", join(folder, "..next"));
    await rename(join(folder, "..next"), join(folder, "..data"));
    expect(await reports.next()).toMatchObject(withLimit(2));
  });

  it("goes on after onChange threw, and reports that too", async () => {
    await writeFile(path, textOf(1));
    const reports = new Reports();
    const watch = watchPolicyFile(path, {
      onChange(document) {
        if (document.policies[0]?.limit === 1) throw new Error("no room for it");
        reports.add(document);
      },
      onError: (error) => reports.add(error),
    });
    onTestFinished(() => watch.close());
    expect(await reports.next()).toMatchObject({ message: "no room for it" });
    await writeFile(path, textOf(2));
    expect(await reports.next()).toMatchObject(withLimit(2));
  });

  it("reports nothing once closed", async () => {
    await writeFile(path, textOf(1));
    const closed = watchFor();
    closed.watch.close();
    const open = watchFor();
    expect(await open.next()).toMatchObject(withLimit(1));
    await writeFile(path, textOf(2));
    expect(await open.next()).toMatchObject(withLimit(2));
    closed.add(new Error("the last"));
    expect(await closed.next()).toMatchObject({ message: "the last" });
  });
});
