/**
 * A file that is whole or not there: text is streamed to a temporary file beside the target, flushed to
 * the disk and renamed over it. When anything fails the temporary file goes and one typed error names the
 * target and the reason.
 */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { ParlError } from "../core/errors.ts";

type Chunk = string | Uint8Array;
type Chunks = Iterable<Chunk> | AsyncIterable<Chunk>;

/** Compressed when the name ends in `.gz`. */
export async function writeWhole(path: string, chunks: Chunks): Promise<void> {
  const temporary = `${path}.${process.pid}.part`;
  const target = createWriteStream(temporary, { flush: true });
  const source = Readable.from(chunks);
  try {
    await (path.endsWith(".gz") ? pipeline(source, createGzip(), target) : pipeline(source, target));
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
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
  const message = `cannot write ${target}: ${cause.message}; make room or choose another place with --out`;
  return new ParlError("PARL_INVALID_FILE", message, { field: "out", cause });
}

export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && "syscall" in error;
}
