/**
 * `npm run verify:lua`: random histories through algorithms/ and through the scripts of lua/ in a real Redis; every
 * decision and every number must be the same. One JSON report on standard output; exit code 1 for a difference.
 */
import { ALGORITHMS } from "../algorithms/algorithm.ts";
import { invalidArgument } from "../core/errors.ts";
import { connectRedis } from "../lua/redis-connection.ts";
import { runCommand } from "./command.ts";
import type { Flags } from "./flags.ts";
import type { AgreementReport } from "./agreement-tally.ts";
import { describeMachine } from "./machine.ts";
import { Progress } from "./progress.ts";
import { startRedis } from "./redis-process.ts";
import { compared } from "./twin-run.ts";

await runCommand({
  synopsis: `npm run verify:lua -- [flags]: do the Redis scripts decide as algorithms/ does?

Random policies and histories, decided by both; every outcome and every number is compared.`,
  flags: {
    decisions: { value: "N", about: "decisions per algorithm", fallback: "1_000_000" },
    seed: { value: "N", about: "of policies and histories", fallback: "1" },
    algo: { value: ALGORITHMS.join("|"), about: "one algorithm only" },
    redis: { value: "URL", about: "an empty Redis to use; one is started when absent" },
  },
  run,
});

async function run(flags: Flags): Promise<void> {
  const decisions = flags.count("decisions", { min: 1 });
  const seed = flags.count("seed", { min: 0, max: 2 ** 32 - 1 });
  const algorithms = flags.has("algo") ? [flags.choice("algo", ALGORITHMS)] : ALGORITHMS;
  await using started = new AsyncDisposableStack();
  const url = flags.text("redis") ?? started.use(await startRedis()).url;
  const redis = await connectRedis(url);
  started.defer(() => redis.disconnect());
  // Keys of another run would be taken for this one's.
  if ((await redis.dbsize()) > 0) throw invalidArgument("--redis", "an empty database", url);
  const version = /^redis_version:(\S+)/m.exec(await redis.info("server"))?.[1];
  const tallies: AgreementReport[] = [];
  for (const algorithm of algorithms) {
    const progress = new Progress(algorithm);
    const onProgress = (share: number): void => progress.update(share);
    tallies.push(await compared(redis, algorithm, { decisions, seed, onProgress }));
    progress.done();
    // Algorithms share no key, but a long run would fill the memory.
    await redis.flushdb();
  }
  const agrees = tallies.every((tally) => tally.differences === 0);
  const report = { agrees, seed, redis: version, machine: describeMachine(), algorithms: tallies };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  if (!agrees) process.exitCode = 1;
}
