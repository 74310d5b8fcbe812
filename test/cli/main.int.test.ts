import { once } from "node:events";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { runParl } from "./child.ts";

it.each([
  ["check", ["check", "alice"], "region eu does not answer at"],
  ["doctor", ["doctor"], "no NATS server answers at"],
])("parl %s ends although a server takes its call and never says a word", async (_, argv, complaint) => {
  const mute = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void mute.close());
  await once(mute, "listening");
  const { port } = mute.address() as AddressInfo;
  const { code, stdout, stderr } = await runParl([...argv, "--regions", `eu=nats://127.0.0.1:${port}`]);
  expect(code).toBe(1);
  expect(stdout + stderr).toContain(`${complaint} nats://127.0.0.1:${port}`);
});

it.each([
  [["dance", "--json"], 2, { code: "PARL_INVALID_ARGUMENT", field: "command" }],
  [["check", "--json"], 2, { code: "PARL_INVALID_ARGUMENT", field: "key" }],
  [["check", "alice", "--regions", "nowhere", "--json"], 2, { field: "regions" }],
  [["explain", "--policies", "/no/such/file.yaml", "--json"], 1, { field: "policies" }],
  [["check", "alice", "--json", "--regions", "eu=nats://127.0.0.1:1"], 1, { code: "PARL_UNAVAILABLE" }],
  [
    ["observe", "region", "--json", "--regions", "us=nats://127.0.0.1:1"],
    1,
    { code: "PARL_UNAVAILABLE", region: "us" },
  ],
])("parl %j tells its failure in one line of JSON", async (argv, exitCode, fields) => {
  const { code, stderr } = await runParl(argv);
  expect(code).toBe(exitCode);
  expect(stderr).toMatch(/^\{.*\}\n$/);
  expect(JSON.parse(stderr)).toMatchObject({ error: { ...fields, message: expect.any(String) } });
});

it("finds the policies that come with PARL from any folder, and others from the one it is called in", async () => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "parl-elsewhere-")));
  onTestFinished(() => rm(folder, { recursive: true }));
  const shipped = await runParl(["explain", "--json"], {}, folder);
  expect(shipped).toMatchObject({ code: 0, stderr: "" });
  expect(shipped.stdout).toContain("per-key");

  const missing = {
    code: 1,
    stderr: expect.stringContaining(`parl explain: ${folder}/mine.yaml: cannot be read`),
  };
  expect(await runParl(["explain", "--policies", "mine.yaml"], {}, folder)).toMatchObject(missing);
  expect(await runParl(["explain"], { PARL_POLICIES: "./mine.yaml" }, folder)).toMatchObject(missing);
  await writeFile(
    join(folder, "mine.yaml"),
    "version: 1\npolicies: [{ name: mine, dimension: key, algorithm: gcra, limit: 1, window: 1s }]",
  );
  expect((await runParl(["explain", "--policies", "mine.yaml"], {}, folder)).stdout).toMatch(/^mine\n/);
});
