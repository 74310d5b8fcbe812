import { describe, expect, it } from "vitest";
import { findVersion, isAtLeast } from "../../deploy/setup/version.mjs";

describe("version", () => {
  it.each([
    ["nats-server: v2.15.2", "2.15.2"],
    ["v24.21.0\n", "24.21.0"],
    ["nats-server: v2.14.0-RC.1", "2.14.0-RC.1"],
    ["nats-server: devel", undefined],
    ["", undefined],
  ])("is found in a banner: %j", (banner, version) => {
    expect(findVersion(banner)).toBe(version);
  });

  it.each([
    ["2.12.0", true],
    ["2.12.1", true],
    ["2.100.0", true],
    ["3.0.0", true],
    ["2.12.1-RC.1", true],
    ["2.11.99", false],
    ["2.9.10", false],
    ["1.99.99", false],
    ["2.12.0-RC.1", false],
  ])("compares by number, place by place: %s against 2.12.0", (version, isNewEnough) => {
    expect(isAtLeast(version, "2.12.0")).toBe(isNewEnough);
  });
});
