/** The same decision in this process and in Redis: how many a second, how late, and what the server spends on it. */
import { ALGORITHMS, type AlgorithmName } from "../../../algorithms/algorithm.ts";
import { worked } from "./evidence.ts";
import type { Backend, Known } from "./known.ts";
import { cited, table } from "./markdown.ts";
import { count, duration, perSecond, say, times, type Figure } from "./statement.ts";

export function placesText(known: Known, folder: string): string {
  const { evidence } = known;
  const asked = evidence.rows("local-and-redis").map((row) => row["asked_per_s"] ?? 0) as number[];
  const rate = Math.max(...asked);
  const late = (algorithm: AlgorithmName, backend: Backend): string =>
    evidence.figure("local-and-redis", { algorithm, backend, asked_per_s: rate }, "p99_us", duration).text;
  const speed = (algorithm: AlgorithmName, backend: Backend): number =>
    evidence.value("local-and-redis", { algorithm, backend, asked_per_s: null }, "decisions_per_s");
  const rows = ALGORITHMS.map((algorithm) => [
    algorithm,
    perSecond(speed(algorithm, "local")),
    perSecond(speed(algorithm, "redis")),
    late(algorithm, "local"),
    late(algorithm, "redis"),
    known.redisTime(algorithm).text,
  ]);
  const factor = speed("gcra", "local") / speed("gcra", "redis");
  const all = (backend: Backend): number[] => ALGORITHMS.map((algorithm) => speed(algorithm, backend));
  evidence.claim(
    "the slowest algorithm here is faster than the fastest in Redis",
    Math.min(...all("local")) > Math.max(...all("redis")),
  );
  const sum = (column: string): Figure =>
    worked("lua-agreement", sumOf(evidence.column("lua-agreement", {}, column)), count);
  evidence.claim("key table and scripts decide alike", sum("differences").text === "0");
  const asks = worked("local-and-redis", rate, perSecond);
  return [
    cited(
      say`The same decisions in either place: of ${sum("decisions")} by random policies and histories, with reports, refunds and clock steps between them, ${sum("differences")} answers differ in any number.`,
      folder,
    ),
    table(["algorithm", "here", "in Redis", "p99 here", "p99 in Redis", "Redis' own time"], rows),
    cited(
      say`Decisions a second at full speed, one script call each in pipelines; p99 with ${asks} asked for, from the moment a request was due. With GCRA memory makes ${worked("local-and-redis", factor, times)} as many: the slowest algorithm here is faster than the fastest there. So ask first whether a key can have an owner, and only then which limiter it gets.`,
      folder,
    ),
  ].join("\n\n");
}

function sumOf(values: readonly number[]): number {
  return values.reduce((left, right) => left + right, 0);
}
