/**
 * The policy file on disk: read once, or watched so that a save takes effect while PARL runs.
 *
 *     save ─▶ event of the folder ─▶ 50 ms of quiet ─▶ read ─▶ onChange · onError · nothing
 *
 * The folder is watched, not the file, because editors replace a file by renaming another one over it.
 * Readings follow one another, so an older one never overwrites a newer. What a reading changes is decided
 * in last-good-policies.ts.
 */
import { watch } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { PolicyFileError } from "../admission/policy-file-error.ts";
import type { PolicyDocument } from "../admission/policy.ts";
import { LastGoodPolicies } from "./last-good-policies.ts";
import { parsePolicyText } from "./policy-text.ts";

const BYTES_MAX = 2 ** 20;
/** Longer than an editor takes from truncating a file to having written it. */
const QUIET_MS = 50;

/** Rejects with nothing but PolicyFileError. */
export async function loadPolicyFile(path: string): Promise<PolicyDocument> {
  return parsePolicyText(await readText(path), path);
}

export interface PolicyFileWatchOptions {
  /** The document in force; without it the first reading is reported as well. */
  readonly current?: PolicyDocument;
  /** A different document, or the first good one after an error. */
  readonly onChange: (document: PolicyDocument) => void;
  /** The file is broken (a PolicyFileError, once per cause), cannot be watched, or `onChange` threw. */
  readonly onError: (error: Error) => void;
}

export interface PolicyFileWatch {
  close(): void;
}

/** Throws where the folder of `path` cannot be watched. */
export function watchPolicyFile(path: string, options: PolicyFileWatchOptions): PolicyFileWatch {
  const { current, onChange, onError } = options;
  const policies = new LastGoodPolicies(path, current);
  let isClosed = false;
  const reload = async (): Promise<void> => {
    const reading = await readText(path).catch((error: PolicyFileError) => error);
    const news = isClosed ? undefined : policies.read(reading);
    if (news instanceof PolicyFileError) onError(news);
    else if (news !== undefined) onChange(news);
  };

  let reloading = Promise.resolve();
  const enqueueReload = (): void => {
    reloading = reloading.then(reload).catch(onError);
  };
  let quiet: NodeJS.Timeout | undefined;
  const readWhenQuiet = (): void => {
    clearTimeout(quiet);
    quiet = setTimeout(enqueueReload, QUIET_MS);
  };
  const watcher = watch(dirname(path), (_event, name) => {
    // A mounted Kubernetes ConfigMap changes by renaming its `..data` link.
    if (name === null || name === basename(path) || name.startsWith("..")) readWhenQuiet();
  });
  watcher.on("error", onError);
  // Whatever was saved between the caller's reading and this watch; a save may be under way now.
  readWhenQuiet();

  return {
    close(): void {
      isClosed = true;
      clearTimeout(quiet);
      watcher.close();
    },
  };
}

async function readText(path: string): Promise<string> {
  const fail = (rule: string, fix: string, cause?: unknown): never => {
    throw new PolicyFileError(path, [{ path: "", value: undefined, rule, fix }], cause);
  };
  try {
    const status = await stat(path);
    if (!status.isFile()) return fail("is not a regular file", "name the policy file itself");
    if (status.size > BYTES_MAX) {
      return fail(
        `has ${status.size} bytes, more than 1 MiB`,
        "let one policy match several tenants, or a plan",
      );
    }
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await readFile(path));
  } catch (error) {
    if (error instanceof PolicyFileError) throw error;
    if (error instanceof TypeError) return fail("is not UTF-8 text", "save it as UTF-8", error);
    return fail(`cannot be read (${String(error)})`, "check its name and permissions", error);
  }
}
