/**
 * Where the server of a fault run keeps its files: a folder, or a disk so small that it can be filled.
 *
 *      mount -t tmpfs -o size=6m     needs root; without it a scenario says that it was left out
 */
import { execFile } from "node:child_process";
import { open, rm, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const DISK_MIB = 6;
const BLOCK = new Uint8Array(4_096);

export class SmallDisk implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Undefined when this system lets nobody mount one. */
  static async mount(path: string): Promise<SmallDisk | undefined> {
    await mkdir(path, { recursive: true });
    try {
      await promisify(execFile)("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tmpfs", path]);
      return new SmallDisk(path);
    } catch {
      return undefined;
    }
  }

  /** Writes until not a block more fits. */
  async fill(): Promise<void> {
    const file = await open(this.#ballast, "a");
    try {
      for (;;) await file.appendFile(BLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      await file.close();
    }
  }

  async free(): Promise<void> {
    await rm(this.#ballast, { force: true });
  }

  get #ballast(): string {
    return join(this.path, "ballast");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await promisify(execFile)("umount", [this.path]);
  }
}
