/**
 * One line of a web server's access log, in Common or Combined Log Format.
 *
 *   host ident user [time] "request" status bytes                        Common
 *   host ident user [time] "request" status bytes "referer" "agent"      Combined
 *
 * Real logs are odder than that. Some wrap each whole line in quotes; some append fields of their own; a
 * user name may hold spaces; a scanner's request line may be anything. A line is read as far as it can be
 * trusted: a broken *request line* is still a request that somebody sent at some time, so it stays a
 * record (without a method); a line whose host, time or quoting is broken is no record, and the reason is
 * a value, never an exception. Text is kept as logged, escapes included (`\"`, `\x16`), so that two
 * different requests stay different and nothing a stranger sent reaches a terminal decoded.
 *
 * Cost: one pass over the line. The only patterns are anchored and of bounded length, so no line can make
 * one backtrack.
 * Source: httpd.apache.org/docs/2.4/logs.html.
 */
import type { Micros } from "../core/units.ts";
import { LOG_TIME_LENGTH, parseLogTime, renderLogTime } from "./log-time.ts";

export interface AccessRecord {
  readonly atUs: Micros;
  /** Minutes east of UTC the server wrote its time in. */
  readonly zoneMinutes: number;
  /** Address or name of the client, IPv4 or IPv6. */
  readonly host: string;
  readonly ident: string;
  /** `-` when nobody was logged in. */
  readonly user: string;
  /** The request line as logged; the next three are its parts. */
  readonly request: string;
  /** Empty when the request line is broken; then `target` is all of it. */
  readonly method: string;
  readonly target: string;
  /** Empty in HTTP/0.9 and in a broken request line. */
  readonly protocol: string;
  /** Null where the log says `-`. */
  readonly status: number | null;
  /** Size of the reply; null where the log says `-`. */
  readonly bytes: number | null;
  /** Null in Common Log Format. */
  readonly referer: string | null;
  readonly agent: string | null;
  /** Whatever the server logs beyond the format, from its leading space on. */
  readonly extra: string;
}

export const ODD_REASONS = [
  "empty",
  "too-long",
  "no-host",
  "no-user",
  "no-time",
  "bad-time",
  "no-request",
  "bad-status",
  "bad-bytes",
  "bad-quotes",
  "truncated",
] as const;
/** Why a line is no record. */
export type OddReason = (typeof ODD_REASONS)[number];

const HOST = /^[!#-~]{1,255}$/;
const METHOD = /^[A-Za-z-]{1,32}$/;
const STATUS = / (\d{3}|-)(?= |$)/y;
const BYTES = / (\d{1,15}|-)(?= |$)/y;

/** @param line one line without its line feed; a carriage return at its end is ignored */
export function parseAccessLine(line: string): AccessRecord | OddReason {
  const text = unwrapped(line);
  if (text.trim() === "") return "empty";
  const hostEnd = text.indexOf(" ");
  const host = text.slice(0, Math.max(hostEnd, 0));
  if (!HOST.test(host)) return "no-host";
  // The user is everything up to the time: user names may hold spaces.
  const timeStart = text.indexOf(" [", hostEnd);
  if (timeStart === -1) return "no-time";
  const identEnd = text.indexOf(" ", hostEnd + 1);
  if (identEnd === -1 || identEnd >= timeStart) return "no-user";
  const timeEnd = timeStart + 2 + LOG_TIME_LENGTH;
  const time = text[timeEnd] === "]" ? parseLogTime(text.slice(timeStart + 2, timeEnd)) : undefined;
  if (time === undefined) return "bad-time";
  if (!text.startsWith(' "', timeEnd + 1)) return "no-request";
  const requestEnd = closingQuote(text, timeEnd + 3);
  if (requestEnd === -1) return "truncated";
  const request = text.slice(timeEnd + 3, requestEnd);
  const rest = parseReply(text, requestEnd + 1);
  if (typeof rest === "string") return rest;
  return {
    ...time,
    host,
    ident: text.slice(hostEnd + 1, identEnd),
    user: text.slice(identEnd + 1, timeStart),
    request,
    ...requestParts(request),
    ...rest,
  };
}

/** The line that gives `record`, unwrapped and without a line feed. */
export function renderAccessLine(record: AccessRecord): string {
  const { host, ident, user, request, status, bytes, referer, agent, extra } = record;
  const common = `${host} ${ident} ${user} [${renderLogTime(record)}] "${request}" ${status ?? "-"} ${bytes ?? "-"}`;
  return referer === null ? `${common}${extra}` : `${common} "${referer}" "${agent}"${extra}`;
}

function unwrapped(line: string): string {
  const end = line.endsWith("\r") ? line.length - 1 : line.length;
  if (!line.startsWith('"')) return line.slice(0, end);
  return line.slice(1, end > 1 && line[end - 1] === '"' ? end - 1 : end);
}

type Reply = Pick<AccessRecord, "status" | "bytes" | "referer" | "agent" | "extra">;

/** Reads everything behind the request line: `200 512`, and in Combined the two quoted fields. */
function parseReply(text: string, at: number): Reply | OddReason {
  if (at >= text.length) return "truncated";
  if (text[at] !== " ") return "bad-quotes";
  const status = numberAt(STATUS, text, at);
  if (status === undefined) return "bad-status";
  const bytes = numberAt(BYTES, text, STATUS.lastIndex);
  if (bytes === undefined) return STATUS.lastIndex === text.length ? "truncated" : "bad-bytes";
  const end = BYTES.lastIndex;
  if (!text.startsWith(' "', end)) {
    return { status, bytes, referer: null, agent: null, extra: text.slice(end) };
  }
  const refererEnd = closingQuote(text, end + 2);
  if (refererEnd === -1 || refererEnd + 1 === text.length) return "truncated";
  if (!text.startsWith(' "', refererEnd + 1)) return "bad-quotes";
  const agentEnd = closingQuote(text, refererEnd + 3);
  if (agentEnd === -1) return "truncated";
  const extra = text.slice(agentEnd + 1);
  // A quote that closes right before more text is two lines run together, or quotes nobody escaped.
  if (extra !== "" && !extra.startsWith(" ")) return "bad-quotes";
  const referer = text.slice(end + 2, refererEnd);
  return { status, bytes, referer, agent: text.slice(refererEnd + 3, agentEnd), extra };
}

/** Reads a number or `-` (null) at `at` and leaves `pattern.lastIndex` behind it. */
function numberAt(pattern: RegExp, text: string, at: number): number | null | undefined {
  pattern.lastIndex = at;
  const digits = pattern.exec(text)?.[1];
  return digits === undefined ? undefined : digits === "-" ? null : Number(digits);
}

/** Where the quoted text that starts at `at` ends, or -1; a backslash takes the next character along. */
function closingQuote(text: string, at: number): number {
  for (let i = at; i < text.length; i += 1) {
    if (text[i] === '"') return i;
    if (text[i] === "\\") i += 1;
  }
  return -1;
}

function requestParts(request: string): Pick<AccessRecord, "method" | "target" | "protocol"> {
  const methodEnd = request.indexOf(" ");
  const method = request.slice(0, Math.max(methodEnd, 0));
  if (!METHOD.test(method)) return { method: "", target: request, protocol: "" };
  const protocolAt = request.lastIndexOf(" HTTP/");
  if (protocolAt <= methodEnd) return { method, target: request.slice(methodEnd + 1), protocol: "" };
  return {
    method,
    target: request.slice(methodEnd + 1, protocolAt),
    protocol: request.slice(protocolAt + 1),
  };
}
