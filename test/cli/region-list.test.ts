import { expect, it } from "vitest";
import { parseFlags, UsageError } from "../../cli/flags.ts";
import { parseRegionList, REGIONS_FLAG } from "../../cli/region-list.ts";

it("lists regions in order, each with all its servers", () => {
  expect(parseRegionList("eu=nats://a:4222,us=tls://b:4223, eu=nats://c:4222")).toEqual([
    { name: "eu", servers: ["nats://a:4222", "nats://c:4222"] },
    { name: "us", servers: ["tls://b:4223"] },
  ]);
});

it("accepts its own default and the environment", () => {
  const { flags } = parseFlags([], { regions: REGIONS_FLAG }, {});
  expect(parseRegionList(flags.regions).map(({ name }) => name)).toEqual(["eu", "us", "ap"]);
  const { flags: set } = parseFlags([], { regions: REGIONS_FLAG }, { PARL_REGIONS: "x=nats://h:1" });
  expect(parseRegionList(set.regions)).toEqual([{ name: "x", servers: ["nats://h:1"] }]);
});

it.each(["", "eu", "eu=", "=nats://a:1", "eu=http://a:1", "eu=nats://", "e u=nats://a:1", "eu=nats://a:1,"])(
  "refuses %j",
  (text) => {
    expect(() => parseRegionList(text)).toThrow(UsageError);
  },
);
