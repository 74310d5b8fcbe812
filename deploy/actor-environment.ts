/**
 * The environment an actor process runs best in; whoever starts one by other means sets the same variables
 * (docs/operations.md).
 */

/**
 * glibc: tables that have been outgrown go back to the system. It would rather keep them, and several times as
 * much memory as the keys need.
 */
const MALLOC_MMAP_THRESHOLD_ = "131072";
/**
 * An actor makes little garbage on the JavaScript heap and much beside it, in messages. A small nursery is
 * cleaned often and takes those along; a large one fills so slowly that V8 has to go through the whole heap for
 * their sake, several times a second under load.
 */
const NURSERY = "--max-semi-space-size=1";

/** What to add to `env`; Node options that stand there already are kept and win. */
export function actorEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const { NODE_OPTIONS: given } = env;
  const NODE_OPTIONS = given === undefined || given === "" ? NURSERY : `${NURSERY} ${given}`;
  return { MALLOC_MMAP_THRESHOLD_, NODE_OPTIONS };
}
