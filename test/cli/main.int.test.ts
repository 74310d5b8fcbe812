import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
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
