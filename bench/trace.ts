/**
 * The trace format, version 1: text, one event a line, made to be read by awk as well as by us.
 *
 *     {"format":"parl-trace","version":1,"keys":1000,"startUs":1704067200000000, …}
 *     812 17          17 asked for one unit, 812 µs after the start
 *     40 3 5          3 asked for 5 units, 40 µs later
 *     …
 *     end 2           the number of events; a file without this line is truncated
 *
 * The first line is the header, JSON on one line. A row is `<µs since the row before> <key index> [<cost>]`,
 * decimal, separated by one space, the cost left out when it is 1. Lines end in LF. A name ending in `.gz`
 * means the same text, compressed. Unknown header members are kept out of the way, not refused.
 *
 * Version: a reader refuses any other. A change that an old reader would misread is a new version.
 */
import { ParlError } from "../core/errors.ts";
import { SHAPES, type Shape } from "./arrivals.ts";
import type { EventColumns } from "./events.ts";

const TRACE_FORMAT = "parl-trace";
const TRACE_VERSION = 1;
/** 2024-01-01T00:00:00Z: where a generated trace starts, aligned to every window up to a day. */
export const START_US = 1_704_067_200_000_000;

/** 4 B of a key's renumbering each, while a trace is loaded, are then 1 GiB. */
export const KEYS_MAX = 2 ** 28;

export const DISTRIBUTIONS = ["zipf", "uniform"] as const;
type Distribution = (typeof DISTRIBUTIONS)[number];

/** What is true of a whole trace. Members that only a generated trace has are null in a recorded one. */
export interface TraceHeader {
  /** Key indices are below this. */
  readonly keys: number;
  readonly startUs: number;
  readonly durationUs: number;
  readonly costMin: number;
  readonly costMax: number;
  readonly dist: Distribution | "recorded";
  readonly shape: Shape | "recorded";
  /** Exponent of the key distribution; 0 is uniform. */
  readonly zipfS: number | null;
  readonly seed: number | null;
  /** Baseline arrivals per second. */
  readonly rate: number | null;
}

/** The header of a generated trace: everything it is made from. */
export interface GeneratedHeader extends TraceHeader {
  readonly dist: Distribution;
  readonly shape: Shape;
  readonly zipfS: number;
  readonly seed: number;
  readonly rate: number;
}

/** A trace held in memory. */
export interface Trace {
  readonly header: TraceHeader;
  readonly events: EventColumns;
}

export function headerLine(header: TraceHeader): string {
  return `${JSON.stringify({ format: TRACE_FORMAT, version: TRACE_VERSION, ...header })}\n`;
}

/** Reads the first line of `source`, a name for messages. */
export function parseHeaderLine(line: string, source: string): TraceHeader {
  const header = parseObject(line);
  if (header.get("format") !== TRACE_FORMAT) {
    throw invalidTrace(source, `the first line is not a ${TRACE_FORMAT} header; make one with npm run gen`);
  }
  const version = header.get("version");
  if (version !== TRACE_VERSION) {
    throw new ParlError(
      "PARL_UNSUPPORTED_VERSION",
      `trace ${source} has version ${JSON.stringify(version)}, this reader knows ${TRACE_VERSION}; generate it again with npm run gen`,
      { field: "trace" },
    );
  }
  const whole = (name: string, min: number, max = Number.MAX_SAFE_INTEGER): number => {
    const value = header.get(name);
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
    throw invalidTrace(source, `header member ${name} is not a whole number from ${min} to ${max}`);
  };
  const maybeNumber = (name: string): number | null => {
    const value = header.get(name);
    return typeof value === "number" ? value : null;
  };
  return {
    keys: whole("keys", 1, KEYS_MAX),
    startUs: whole("startUs", 0),
    durationUs: whole("durationUs", 1),
    costMin: whole("costMin", 0, 2 ** 31),
    costMax: whole("costMax", 0, 2 ** 31),
    dist: DISTRIBUTIONS.find((dist) => dist === header.get("dist")) ?? "recorded",
    shape: SHAPES.find((shape) => shape === header.get("shape")) ?? "recorded",
    zipfS: maybeNumber("zipfS"),
    seed: maybeNumber("seed"),
    rate: maybeNumber("rate"),
  };
}

export function invalidTrace(source: string, problem: string): ParlError {
  return new ParlError("PARL_INVALID_FILE", `trace ${source}: ${problem}`, { field: "trace" });
}

function parseObject(line: string): ReadonlyMap<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
  } catch {
    return new Map();
  }
}
