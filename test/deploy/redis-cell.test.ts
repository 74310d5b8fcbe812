/** What needs no Rust and no network; the build itself is the lab's, in its full size. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { obtainRedisCell, REDIS_CELL_VERSION } from "../../deploy/setup/redis-cell.mjs";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "parl-redis-cell-"));
  mkdirSync(join(root, ".parl"));
});
afterEach(() => rmSync(root, { recursive: true }));

function obtain(PATH: string) {
  const { signal } = new AbortController();
  return obtainRedisCell({ root, env: { PATH }, say: () => undefined, signal });
}

function program(text: string): string {
  writeFileSync(join(root, "cargo"), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return root;
}

describe("the redis-cell module", () => {
  it("is not there, for a reason, where Rust is not", async () => {
    expect(await obtain("")).toEqual({ reason: "cargo is not on PATH" });
    expect(readdirSync(join(root, ".parl"))).toEqual([]);
  });

  it("is not there when cargo fails, in the words of cargo, and leaves nothing behind", async () => {
    const { reason } = await obtain(program("echo 'error: no such crate' >&2; exit 101"));
    expect(reason).toBe("cargo vendor (redis-cell) failed: error: no such crate");
    expect(readdirSync(join(root, ".parl"))).toEqual([]);
  });

  it("is built once", async () => {
    const built = `case "$1" in build) /bin/mkdir -p "$6/release"; echo built > "$6/release/libredis_cell.so";
      cp "$6/release/libredis_cell.so" "$6/release/libredis_cell.dylib";; esac`;
    const path = join(root, ".parl", "modules", `redis-cell-${REDIS_CELL_VERSION}.so`);
    expect(await obtain(`${program(built)}:/bin:/usr/bin`)).toEqual({ path });
    expect(await obtain("")).toEqual({ path });
    expect(readdirSync(join(root, ".parl"))).toEqual(["modules"]);
  });
});
