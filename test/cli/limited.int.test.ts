import { afterAll, beforeAll, expect, it } from "vitest";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "../../cli/command.ts";
import { limited } from "../../cli/limited.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";
import { DeskRegion } from "../actors/desk-region.ts";
import { runHere } from "./command-run.ts";

let region: DeskRegion;
let empty: TestNatsServer;
let here: string;

beforeAll(async () => {
  [region, empty] = await Promise.all([DeskRegion.start(), startNatsServer()]);
  here = `eu=${region.nats.url}`;
});

afterAll(() => Promise.all([region.stop(), empty.stop()]));

it("says that nobody is refused, then lists who is", async () => {
  expect(await runHere(limited, "--regions", here)).toEqual({
    code: EXIT_OK,
    stdout: "nobody is being refused\n",
    stderr: "",
  });
  region.refuse(0, { tenant: "acme", dimension: "key", key: "~w7Y", policy: "per-key" }, 1_234);
  region.refuse(0, { tenant: "acme", dimension: "org", key: "_org", policy: "per-org-day" }, 2);
  expect(await runHere(limited, "--regions", here)).toEqual({
    code: EXIT_OK,
    stdout: [
      "region  tenant  dimension  key   policy       refused      ms to wait\n",
      "eu      acme    key        ö     per-key        1,234  ±0       1,000\n",
      "eu      acme    org        _org  per-org-day        2  ±0       1,000\n",
    ].join(""),
    stderr: "",
  });
  const { stdout } = await runHere(limited, "eu", "--regions", here, "--top", "1", "--by", "anna", "--json");
  expect(JSON.parse(stdout)).toMatchObject({
    regions: [{ region: "eu", members: 1, keys: [{ key: "ö", denied: 1_234, errorMax: 0 }] }],
  });
  expect(await region.lines((line) => line["claimedBy"] === "anna")).toHaveLength(2);
});

it("lists tenants that hold as many keys as they may", async () => {
  region.fullTenants.push([{ tenant: "~w7Y", keys: 1_052_160, keysMax: 1_000_000 }]);
  const { stdout } = await runHere(limited, "--regions", here);
  region.fullTenants.length = 0;
  expect(stdout.split("\n").slice(-4)).toEqual([
    "",
    "region  full tenant  keys about   may hold",
    "eu      ö             1,052,160  1,000,000",
    "",
  ]);
});

it("says when processes are missing", async () => {
  region.membersExpected = 3;
  const { code, stderr } = await runHere(limited, "--regions", here);
  region.membersExpected = 1;
  expect({ code, stderr }).toEqual({
    code: EXIT_OK,
    stderr: "parl limited: eu: only 1 of 3 processes answered; the list may lack keys\n",
  });
});

it("prints what it has when a region takes no calls, and exits with 1", async () => {
  const regions = `${here},us=${empty.url},ap=nats://127.0.0.1:9`;
  const { code, stdout, stderr } = await runHere(limited, "--regions", regions);
  expect(code).toBe(EXIT_FAILED);
  expect(stdout).toContain("per-key");
  expect(stderr.split("\n")).toEqual([
    "parl limited: us: no process takes operator calls; start the region's actors with parl actor --audit-log <file>",
    "parl limited: ap: region ap does not answer at nats://127.0.0.1:9; is it running (npm start)?",
    "",
  ]);
});

it.each([
  [["--top", "0"], /--top must be a whole number from 1 to 256/],
  [["--top", "257"], /--top/],
  [["mars"], /region must be one of eu/],
  [["eu", "us"], /unexpected "us"/],
])("says what is wrong with %j", async (argv, message) => {
  const { code, stderr } = await runHere(limited, ...argv, "--regions", here);
  expect(code).toBe(EXIT_USAGE);
  expect(stderr).toMatch(message);
});
