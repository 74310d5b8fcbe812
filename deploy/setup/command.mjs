/**
 * Other programs: found on PATH, run with a time limit, a heartbeat and an end that leaves none behind.
 *
 * A program runs in a process group of its own, so that a limit or Ctrl-C ends its children too.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

const HEARTBEAT_MS = 10_000;
const GRACE_MS = 3_000;
const TRANSCRIPT_CHARS_MAX = 16_000;

/** Every executable file of that name, in the order of PATH. */
export function findCommands(name, { PATH = "" }) {
  const folders = PATH.split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, name)).filter(isExecutable);
}

/** A command that failed: the message says which and how, `output` is what it printed last. */
class CommandError extends Error {
  constructor(message, lines) {
    super(message);
    this.output = lines.join("\n");
  }
}

/**
 * Runs a command, found on the PATH of `env`, to its end and answers its standard output. `step` names it in
 * progress and errors.
 */
export async function run(host, { step, command, args, cwd, env = host.env, limitMs }) {
  host.signal.throwIfAborted();
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const startedMs = Date.now();
  let stdout = "";
  let transcript = "";
  let isLate = false;
  child.stdout.on("data", (chunk) => (stdout += chunk));
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => (transcript = (transcript + chunk).slice(-TRANSCRIPT_CHARS_MAX)));
  }
  const lines = () => transcript.split(/[\r\n]+/).filter((line) => line.trim() !== "");

  const heartbeat = setInterval(() => {
    const seconds = Math.round((Date.now() - startedMs) / 1000);
    host.say(`  ${step}: ${seconds} s ${lines().at(-1) ?? ""}`.trimEnd());
  }, HEARTBEAT_MS);
  const end = () => endGroup(child);
  const limit = setTimeout(() => {
    isLate = true;
    end();
  }, limitMs);
  host.signal.addEventListener("abort", end);
  try {
    const [exitCode] = await once(child, "close");
    host.signal.throwIfAborted();
    if (isLate) throw new CommandError(`${step} gave up after ${limitMs / 1000} s`, lines());
    if (exitCode !== 0) throw new CommandError(`${step} failed`, lines());
    return stdout;
  } finally {
    host.signal.removeEventListener("abort", end);
    clearTimeout(limit);
    clearInterval(heartbeat);
  }
}

/** Interrupts the whole group as Ctrl-C would, and kills what is still there after the grace. */
function endGroup(child) {
  signalGroup(child, "SIGINT");
  const kill = setTimeout(() => signalGroup(child, "SIGKILL"), GRACE_MS);
  child.once("close", () => clearTimeout(kill));
}

function signalGroup(child, name) {
  try {
    process.kill(-child.pid, name);
  } catch (error) {
    if (error.code !== "ESRCH") throw error; // Already gone is what was wanted.
  }
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
