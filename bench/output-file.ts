/**
 * A file that is whole or not there: text is streamed to a temporary file beside the target, flushed to
 * the disk and renamed over it. When anything fails the temporary file goes and one typed error names the
 * target and the reason. Files that belong together are all renamed, or none is.
 */
import { createWriteStream } from "node:fs";
import { mkdir, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { ParlError } from "../core/errors.ts";

type Chunk = string | Uint8Array;
type Chunks = Iterable<Chunk> | AsyncIterable<Chunk>;

/** Compressed when the name ends in `.gz`. */
export function writeWhole(path: string, chunks: Chunks): Promise<void> {
  return writeAllWhole(new Map([[path, chunks]]));
}

/** Several files: each is whole beside its target before the first takes its place. */
export async function writeAllWhole(files: ReadonlyMap<string, Chunks>): Promise<void> {
  const targets: string[] = [];
  let current = "";
  try {
    for (const [path, chunks] of files) {
      current = path;
      const target = await replaceable(path);
      targets.push(target);
      const output = createWriteStream(temporary(target), { flush: true });
      const source = Readable.from(chunks);
      await (path.endsWith(".gz") ? pipeline(source, createGzip(), output) : pipeline(source, output));
    }
    for (const target of targets) {
      current = target;
      await rename(temporary(target), target);
    }
  } catch (cause) {
    await Promise.all(targets.map((target) => rm(temporary(target), { force: true })));
    throw asParlError(current, cause);
  }
}

/**
 * What a path leads to, past symbolic links. A device or a pipe is refused: renaming over it would not write to it but
 * take its place.
 *
 * @throws ParlError PARL_INVALID_FILE
 */
export async function replaceable(path: string): Promise<string> {
  try {
    const target = await realpath(path);
    if ((await stat(target)).isFile()) return target;
  } catch (cause) {
    // What is not there yet is made.
    if (isSystemError(cause) && cause.code === "ENOENT") return path;
    throw asParlError(path, cause);
  }
  const message = `cannot write ${path}: it is there and is no file; choose another name`;
  throw new ParlError("PARL_INVALID_FILE", message, { field: "out" });
}

function temporary(path: string): string {
  return `${path}.${process.pid}.part`;
}

/** With those above it. @throws ParlError PARL_INVALID_FILE when it cannot be made */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeFolders(path);
  } catch (cause) {
    throw asParlError(path, cause);
  }
}

/** Step by step: where nothing can be made, as in /proc, `recursive` tries for ever. */
async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (cause) {
    const code = isSystemError(cause) ? cause.code : undefined;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    const parent = dirname(path);
    if (code !== "ENOENT" || parent === path) throw cause;
    await makeFolders(parent);
    await mkdir(path);
  }
}

export async function writeStandardOutput(chunks: Chunks): Promise<void> {
  try {
    await pipeline(Readable.from(chunks), process.stdout, { end: false });
  } catch (cause) {
    throw asParlError("standard output", cause);
  }
}

function asParlError(target: string, cause: unknown): unknown {
  return isSystemError(cause) ? unwritable(target, cause) : cause;
}

export function unwritable(target: string, cause: Error): ParlError {
  const message = `cannot write ${target}: ${cause.message}; make room or choose another place`;
  return new ParlError("PARL_INVALID_FILE", message, { field: "out", cause });
}

export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && "syscall" in error;
}
