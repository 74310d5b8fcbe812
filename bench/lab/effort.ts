/** Whose time a measurement takes: this process' own, and its servers'. Tells who was the limit. */
import type { RedisNodes } from "../redis-nodes.ts";

export interface Effort {
  /** Of one core, in per cent. */
  readonly client_cpu_pct: number;
  /** All servers together; null without any. */
  readonly redis_cpu_pct: number | null;
  /** What the servers say their commands took, for each decision. */
  readonly redis_us_per_decision: number | null;
}

/** Measures `work`, which makes so many decisions by this command. */
export async function withEffort<Value>(
  nodes: RedisNodes | undefined,
  { command = "evalsha", decisions }: { readonly command?: string; readonly decisions: () => number },
  work: () => Promise<Value>,
): Promise<{ value: Value; effort: Effort }> {
  const serversBefore = await nodes?.effort(command);
  const startUs = performance.now() * 1_000;
  const cpuBefore = process.cpuUsage();
  const value = await work();
  const cpu = process.cpuUsage(cpuBefore);
  const elapsedUs = performance.now() * 1_000 - startUs;
  const serversAfter = await nodes?.effort(command);
  const isRemote = serversBefore !== undefined && serversAfter !== undefined;
  return {
    value,
    effort: {
      client_cpu_pct: (100 * (cpu.user + cpu.system)) / elapsedUs,
      redis_cpu_pct: isRemote ? (100 * (serversAfter.cpuUs - serversBefore.cpuUs)) / elapsedUs : null,
      redis_us_per_decision: isRemote
        ? (serversAfter.commandUs - serversBefore.commandUs) / decisions()
        : null,
    },
  };
}
