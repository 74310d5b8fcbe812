/**
 * A file that is whole or not there: text is streamed to a temporary file beside the target, flushed to
 * the disk and renamed over it. When anything fails the temporary file goes and one typed error names the
 * target and the reason. Files that belong together are all renamed, or none is.
 */
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
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
  const paths = [...files.keys()];
  let current = paths[0]!;
  try {
    for (const [path, chunks] of files) {
      current = path;
      const target = createWriteStream(temporary(path), { flush: true });
      const source = Readable.from(chunks);
      await (path.endsWith(".gz") ? pipeline(source, createGzip(), target) : pipeline(source, target));
    }
    for (const path of paths) {
      current = path;
      await rename(temporary(path), path);
    }
  } catch (cause) {
    await Promise.all(paths.map((path) => rm(temporary(path), { force: true })));
    throw unwritable(current, cause);
  }
}

function temporary(path: string): string {
  return `${path}.${process.pid}.part`;
}

/** @throws ParlError PARL_INVALID_FILE when it cannot be made */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

export async function writeStandardOutput(chunks: Chunks): Promise<void> {
  try {
    await pipeline(Readable.from(chunks), process.stdout, { end: false });
  } catch (cause) {
    throw unwritable("standard output", cause);
  }
}

function unwritable(target: string, cause: unknown): unknown {
  if (!isSystemError(cause)) return cause;
  const message = `cannot write ${target}: ${cause.message}; make room or choose another place`;
  return new ParlError("PARL_INVALID_FILE", message, { field: "out", cause });
}

export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && "syscall" in error;
}
