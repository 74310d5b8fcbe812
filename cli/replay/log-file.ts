/**
 * Log files as streams of bytes, unpacked when their name ends in .gz.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { ParlError } from "../../core/errors.ts";

/** Hands the unpacked bytes of a file to `onChunk`, in order; throws when the file is no whole gzip. */
export async function readLogFile(
  path: string,
  signal: AbortSignal,
  onChunk: (chunk: Uint8Array) => void,
): Promise<void> {
  const unpack = isPacked(path) ? createGunzip() : new PassThrough();
  const consume = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of chunks) onChunk(chunk);
  };
  try {
    await pipeline(createReadStream(path), unpack, consume, { signal });
  } catch (cause) {
    if (!isZlibError(cause)) throw cause;
    throw new ParlError("PARL_INVALID_FILE", `${path} is no whole gzip file: ${cause.message}`, { cause });
  }
}

export async function writeLogFile(path: string, lines: Iterable<string>): Promise<void> {
  const pack = isPacked(path) ? createGzip() : new PassThrough();
  await pipeline(Readable.from(lines), pack, createWriteStream(path));
}

function isPacked(path: string): boolean {
  return path.endsWith(".gz");
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
}
