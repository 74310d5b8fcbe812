/**
 * The redis-cell module, which the lab compares with our GCRA in its full size: the published crate, built where Rust
 * is. Nothing else needs it, so that neither `npm start` nor the tests come here, and whoever cannot have it is told why.
 *
 *   cargo vendor ─▶ its source ─▶ cargo build ─▶ .parl/modules/redis-cell-<version>.so
 */
import { mkdirSync, mkdtempSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findCommands, run } from "./command.mjs";
import { withLock } from "./lock.mjs";

/** The latest on crates.io; later ones are published as source only. */
export const REDIS_CELL_VERSION = "0.2.2";

const FETCH_LIMIT_MS = 2 * 60_000;
const BUILD_LIMIT_MS = 5 * 60_000;
const LIBRARY = process.platform === "darwin" ? "libredis_cell.dylib" : "libredis_cell.so";

/** Answers `{ path }` of the module, or the `reason` why there is none. */
export async function obtainRedisCell(host) {
  const path = join(host.root, ".parl", "modules", `redis-cell-${REDIS_CELL_VERSION}.so`);
  if (existsSync(path)) return { path };
  if (findCommands("cargo", host.env).length === 0) return { reason: "cargo is not on PATH" };
  try {
    await withLock(host, join(host.root, ".parl", "redis-cell.lock"), () => build(host, path));
    return { path };
  } catch (error) {
    host.signal.throwIfAborted();
    const lastLine = (error.output ?? "").split("\n").at(-1);
    return { reason: [error.message, lastLine].filter(Boolean).join(": ") };
  }
}

async function build(host, path) {
  // Who held the lock before may have built it.
  if (existsSync(path)) return;
  const staging = mkdtempSync(join(host.root, ".parl", "staging-redis-cell-"));
  try {
    writeWanting(staging);
    const cargo = (limitMs, ...args) =>
      run(host, { step: `cargo ${args[0]} (redis-cell)`, command: "cargo", args, cwd: staging, limitMs });
    await cargo(FETCH_LIMIT_MS, "vendor", "vendor");
    const target = join(staging, "target");
    const manifest = join(staging, "vendor", "redis-cell", "Cargo.toml");
    await cargo(BUILD_LIMIT_MS, "build", "--release", "--manifest-path", manifest, "--target-dir", target);
    mkdirSync(join(host.root, ".parl", "modules"), { recursive: true });
    renameSync(join(target, "release", LIBRARY), path);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** A crate that does nothing but want this one, since cargo fetches what is wanted. */
function writeWanting(folder) {
  mkdirSync(join(folder, "src"));
  writeFileSync(join(folder, "src", "lib.rs"), "");
  const wanting = `[package]
name = "wanting"
version = "0.0.0"
edition = "2021"

[dependencies]
redis-cell = "=${REDIS_CELL_VERSION}"
`;
  writeFileSync(join(folder, "Cargo.toml"), wanting);
}
