/**
 * Judges what the processes took while a run lasted, and what is left when everything is quiet again: no check waits,
 * no answer is held back, no unit is with anybody but its home.
 */
import { readdir, readFile } from "node:fs/promises";
import type { Violation } from "./violation.ts";

/** The most that a process ever took. */
export interface Taken {
  readonly title: string;
  readonly rssMib: number;
  /** Open files and sockets. */
  readonly files: number;
}

/** What a process says of itself; absent where an older one does not. */
export interface Laden {
  readonly member: string;
  readonly bytes: number;
  readonly mailboxDepth: number;
  readonly tallies?: {
    readonly checks?: { readonly waiting?: number };
    readonly held?: { readonly now?: number };
    readonly lent?: { readonly units?: number };
  };
}

/** Of keys, as every actor of a run is told by --memory-mib. */
export const MEMORY_MIB = 256;
/** Node, its code, and buffers on their way; measured: some 150 MiB. */
const BESIDE_KEYS_MIB = 384;
const FILES_MAX = 128;
const MIB = 2 ** 20;

export function checkTaken(taken: readonly Taken[]): Violation[] {
  return taken.flatMap(({ title, rssMib, files }) => {
    const said: string[] = [];
    const most = MEMORY_MIB + BESIDE_KEYS_MIB;
    if (rssMib > most) said.push(`took ${rssMib} MiB, at most ${most} were to be`);
    if (files > FILES_MAX) said.push(`had ${files} files open, at most ${FILES_MAX} were to be`);
    return said.map((message): Violation => ({ check: "resources", subject: title, message }));
  });
}

/** @param laden every process, some time after the last call */
export function checkLeft(laden: readonly Laden[]): Violation[] {
  return laden.flatMap(({ member, bytes, mailboxDepth, tallies = {} }) => {
    const { checks, held, lent } = tallies;
    const left = {
      "checks in the mailbox": mailboxDepth,
      "checks waiting for rights": checks?.waiting ?? 0,
      "answers held back": held?.now ?? 0,
      "units lent": lent?.units ?? 0,
    };
    const said = Object.entries(left).flatMap(([what, count]) =>
      count === 0 ? [] : [`has ${count} ${what} when all is quiet`],
    );
    if (bytes > MEMORY_MIB * MIB) said.push(`keeps keys in ${bytes} bytes, of ${MEMORY_MIB} MiB`);
    return said.map((message): Violation => ({ check: "resources", subject: `actor ${member}`, message }));
  });
}

/** What a process takes now; undefined when it has gone, and on systems that do not say it in files. */
export async function takenBy(title: string, pid: number): Promise<Taken | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    const kib = Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]);
    const { length: files } = await readdir(`/proc/${pid}/fd`);
    return Number.isNaN(kib) ? undefined : { title, rssMib: Math.round(kib / 1_024), files };
  } catch {
    return undefined;
  }
}

/** The most of both. */
export function mostOf(a: Taken | undefined, b: Taken): Taken {
  const { rssMib, files } = a ?? b;
  return { title: b.title, rssMib: Math.max(rssMib, b.rssMib), files: Math.max(files, b.files) };
}
