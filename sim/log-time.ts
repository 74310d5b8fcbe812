/**
 * The time stamp of Common Log Format, `17/May/2015:10:05:03 +0000`: local time and its distance from UTC.
 * Fixed width, English months, whole seconds.
 */
import { micros, US_PER_MS, US_PER_S, type Micros } from "../core/units.ts";

export const LOG_TIME_LENGTH = 26;

export interface LogTime {
  readonly atUs: Micros;
  /** Minutes east of UTC. */
  readonly zoneMinutes: number;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
// Years whose microseconds are exact (core/units.ts).
const PATTERN = /^\d\d\/\w{3}\/(?:19[7-9]\d|2[01]\d\d):\d\d:\d\d:\d\d [+-]\d{4}$/;

/** Undefined when `text` is no such time stamp, or a moment that no calendar has. */
export function parseLogTime(text: string): LogTime | undefined {
  if (!PATTERN.test(text)) return undefined;
  const number = (start: number, end: number): number => Number(text.slice(start, end));
  const day = number(0, 2);
  const month = MONTHS.indexOf(text.slice(3, 6));
  const [hour, minute, second] = [number(12, 14), number(15, 17), number(18, 20)];
  const zoneMinute = number(24, 26);
  // 60 is a leap second; it counts as the second after it, as POSIX time does.
  if (month === -1 || hour > 23 || minute > 59 || second > 60 || zoneMinute > 59) return undefined;
  const midnightMs = Date.UTC(number(7, 11), month, day);
  if (new Date(midnightMs).getUTCDate() !== day) return undefined;
  const zoneMinutes = (number(22, 24) * 60 + zoneMinute) * (text[21] === "-" ? -1 : 1);
  const atUs = midnightMs * US_PER_MS + ((hour * 60 + minute - zoneMinutes) * 60 + second) * US_PER_S;
  return atUs < 0 ? undefined : { atUs: micros(atUs), zoneMinutes };
}

export function renderLogTime(time: LogTime): string {
  const local = new Date(time.atUs / US_PER_MS + time.zoneMinutes * 60_000);
  const date = `${two(local.getUTCDate())}/${MONTHS[local.getUTCMonth()]}/${local.getUTCFullYear()}`;
  const clock = local.toISOString().slice(11, 19);
  const zone = Math.abs(time.zoneMinutes);
  const sign = time.zoneMinutes < 0 ? "-" : "+";
  return `${date}:${clock} ${sign}${two(Math.floor(zone / 60))}${two(zone % 60)}`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
