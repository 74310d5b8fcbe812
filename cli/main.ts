/** The `parl` command: finds the subcommand, hands it the world, and exits with its code. */
import { EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, complaint, runCommand, type Command } from "./command.ts";
import { UsageError } from "./flags.ts";

/** Loaded when asked for, so that an actor does not wait for the gateway's libraries. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["up", async () => (await import("./up.ts")).up],
  ["actor", async () => (await import("./actor.ts")).actor],
  ["gateway", async () => (await import("./gateway.ts")).gateway],
  ["check", async () => (await import("./check.ts")).check],
  ["replay", async () => (await import("./replay.ts")).replay],
  ["trace", async () => (await import("./trace.ts")).trace],
  ["scale", async () => (await import("./scale.ts")).scale],
  ["explain", async () => (await import("./explain.ts")).explain],
  ["shards", async () => (await import("./shards.ts")).shards],
  ["observe", async () => (await import("./observe.ts")).observe],
  ["limited", async () => (await import("./limited.ts")).limited],
  ["reset", async () => (await import("./reset.ts")).reset],
  ["doctor", async () => (await import("./doctor.ts")).doctor],
]);

/** How long to wait for what is still open once the command is done. */
const LINGER_MS = 500;

async function overview(): Promise<string> {
  const commands = await Promise.all([...COMMANDS.values()].map((load) => load()));
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(9)} ${summary}\n`);
  return `Usage: parl <command> [flags]\n\nCommands:\n${rows.join("")}\nparl <command> --help says more.\n`;
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(await overview());
    return name === undefined ? EXIT_USAGE : EXIT_OK;
  }
  const load = COMMANDS.get(name);
  if (load === undefined) {
    const message = `there is no command ${name}; there are ${[...COMMANDS.keys()].join(", ")}`;
    process.stderr.write(complaint("parl", new UsageError(message, "command"), rest));
    return EXIT_USAGE;
  }
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => {
      interrupt.abort();
      // The same signal again ends the process at once; an exit is heard by those who have something to end.
      process.once(signal, () => process.exit(EXIT_INTERRUPTED));
    });
  const { stdout, stderr, env } = process;
  // Whoever read what we print has gone: no reason to stop halfway, least of all in the middle of leaving.
  for (const output of [stdout, stderr]) output.on("error", () => interrupt.abort());
  return runCommand(await load(), rest, { stdout, stderr, env, signal: interrupt.signal });
}

process.exitCode = await main(process.argv.slice(2));
// A command has closed what it opened; but the NATS library keeps the socket of an attempt it gave up, when
// the server took the call and never said a word, and that would keep us here.
setTimeout(() => process.exit(), LINGER_MS).unref();
