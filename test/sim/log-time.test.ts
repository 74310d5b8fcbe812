import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { micros } from "../../core/units.ts";
import { LOG_TIME_LENGTH, parseLogTime, renderLogTime } from "../../sim/log-time.ts";

describe("the time stamp of a log", () => {
  it("is the same moment in every time zone", () => {
    const atUs = Date.UTC(2016, 11, 22, 13, 30, 52) * 1_000;
    expect(parseLogTime("22/Dec/2016:16:30:52 +0300")).toEqual({ atUs, zoneMinutes: 180 });
    expect(parseLogTime("22/Dec/2016:08:00:52 -0530")).toEqual({ atUs, zoneMinutes: -330 });
    expect(parseLogTime("23/Dec/2016:03:15:52 +1345")).toEqual({ atUs, zoneMinutes: 825 });
  });

  it("knows leap days and counts a leap second as the second after it", () => {
    expect(parseLogTime("29/Feb/2016:00:00:00 +0000")).toBeDefined();
    expect(parseLogTime("31/Dec/2016:23:59:60 +0000")?.atUs).toBe(Date.UTC(2017, 0, 1) * 1_000);
  });

  it.each([
    "29/Feb/2015:00:00:00 +0000",
    "31/Apr/2015:00:00:00 +0000",
    "00/May/2015:00:00:00 +0000",
    "17/may/2015:10:05:03 +0000",
    "17/May/1969:10:05:03 +0000",
    "01/Jan/1970:00:00:00 +0100",
    "17/May/9999:10:05:03 +0000",
    "17/May/2015:24:05:03 +0000",
    "17/May/2015:10:60:03 +0000",
    "17/May/2015:10:05:61 +0000",
    "17/May/2015:10:05:03 +0060",
    "17/May/2015:10:05:03",
    "17/May/2015:10:05:03 +0000 ",
    "",
  ])("refuses %j", (text) => {
    expect(parseLogTime(text)).toBeUndefined();
  });

  it("comes back from its rendering, zone and all", () => {
    const seconds = fc.integer({ min: 86_400, max: 7_258_000_000 });
    const zones = fc.integer({ min: -720, max: 840 });
    fc.assert(
      fc.property(seconds, zones, (s, zoneMinutes) => {
        const time = { atUs: micros(s * 1_000_000), zoneMinutes };
        expect(renderLogTime(time)).toHaveLength(LOG_TIME_LENGTH);
        expect(parseLogTime(renderLogTime(time))).toEqual(time);
      }),
    );
  });
});
