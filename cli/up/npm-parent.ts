/**
 * Ends what npm started when npm has gone. npm passes SIGINT and SIGTERM on, but nothing of the SIGHUP or SIGKILL
 * that ends itself; then our parent is another, which nobody tells us.
 *
 * Only of an npm script: a shell may go and leave behind what it started, as `nohup … &` wants it.
 */
const LOOK_MS = 500;

/** Aborted when the npm that runs us has gone; never when none does. */
export function npmGone(env: Readonly<Record<string, string | undefined>>): AbortSignal {
  const gone = new AbortController();
  if (env["npm_lifecycle_event"] === undefined) return gone.signal;
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && gone.abort(), LOOK_MS).unref();
  return gone.signal;
}
