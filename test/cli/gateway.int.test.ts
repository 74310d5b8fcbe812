import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, runCommand } from "../../cli/command.ts";
import { gateway } from "../../cli/gateway.ts";
import { startRedisServer } from "../harness/redis-server.ts";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
/** Nobody listens on the discard port: the gateway runs without its region. */
const NOWHERE = ["--regions", "eu=nats://127.0.0.1:9,us=nats://127.0.0.1:9"];

function start(...argv: string[]) {
  const printed = { stdout: "", stderr: "" };
  const interrupt = new AbortController();
  const exitCode = runCommand(gateway, argv, {
    stdout: { write: (text: string) => (printed.stdout += text) },
    stderr: { write: (text: string) => (printed.stderr += text) },
    signal: interrupt.signal,
    env: {},
  });
  return { printed, exitCode, interrupt: () => interrupt.abort() };
}

function startProcess(...argv: string[]) {
  const child = spawn(process.execPath, [MAIN, "gateway", ...argv, ...NOWHERE]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += String(chunk)));
  return { child, output: () => printed, exited: once(child, "close") };
}

async function readyLine(printed: { stdout: string }): Promise<string> {
  await expect.poll(() => printed.stdout).toMatch(/\n$/);
  return printed.stdout;
}

it("prints one line when it listens, serves, and on Ctrl-C leaves no open port", async () => {
  const { printed, exitCode, interrupt } = start("--http", "0", ...NOWHERE);
  const line = await readyLine(printed);
  const [, url = ""] = /^parl gateway eu listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line) ?? [];
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(503);
  interrupt();
  expect(await exitCode).toBe(EXIT_OK);
  await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  expect(printed.stderr).toBe("");
});

it("takes its home from --region and prints JSON when asked", async () => {
  const { printed, exitCode, interrupt } = start("--region", "us", "--http", "0", "--json", ...NOWHERE);
  const ready = JSON.parse(await readyLine(printed)) as { region: string; url: string };
  expect(ready.region).toBe("us");
  const readiness = (await (await fetch(`${ready.url}/readyz`)).json()) as { region: string };
  expect(readiness.region).toBe("us");
  interrupt();
  expect(await exitCode).toBe(EXIT_OK);
});

it("says in one line which port is taken, and which flag chooses another", async () => {
  const squatter = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void squatter.close());
  await once(squatter, "listening");
  const { port } = squatter.address() as AddressInfo;
  const { output, exited } = startProcess("--http", String(port));
  expect(await exited).toEqual([EXIT_FAILED, null]);
  expect(output()).toBe(
    `parl gateway: port ${port} on 127.0.0.1 is taken; choose another with --http, or another address with --host\n`,
  );
});

it.each([
  [["--region", "mars", ...NOWHERE], /--region must be one of --regions \(eu, us\), got "mars"/],
  [["--http", "99999"], /--http must be a whole number from 0 to 65535, got "99999"/],
  [["--deadline-ms", "0"], /--deadline-ms must be a whole number from 1 to 1000/],
  [["--regions", "eu"], /--regions takes entries like/],
  [["extra"], /unexpected "extra"/],
  [["--backend", "memory"], /--backend must be one of nats, redis, got "memory"/],
  [
    ["--redis", "localhost"],
    /--redis must be a URL such as redis:\/\/127\.0\.0\.1:6379 or .*, got "localhost"/,
  ],
  [["--backend", "nats", "--redis", "redis://127.0.0.1"], /--redis is for --backend redis/],
  [["--clock", "redis"], /--clock is for --backend redis only/],
  [["--redis", "redis://127.0.0.1", "--clock", "wall"], /--clock must be one of app, redis, got "wall"/],
  [["--redis", "redis://127.0.0.1", "--region", "a.b"], /--region must be 1 to 64 of/],
])("refuses %j", async (argv, message) => {
  const { printed, exitCode } = start(...argv);
  expect(await exitCode).toBe(EXIT_USAGE);
  expect(printed.stderr).toMatch(message);
});

it("does not start with a broken policy file, and says what is wrong with it", async () => {
  const broken = fileURLToPath(new URL("../fixtures/policies/bad/version.yaml", import.meta.url));
  const { printed, exitCode } = start("--http", "0", "--policies", broken, ...NOWHERE);
  expect(await exitCode).toBe(EXIT_FAILED);
  expect(printed.stderr).toMatch(/version must be 1/);
});

it("ends as a process on SIGINT, with no region in sight", async () => {
  const { child, output, exited } = startProcess("--http", "0");
  await expect.poll(output, { timeout: 10_000 }).toMatch(/^parl gateway eu listening on .*\n$/);
  child.kill("SIGINT");
  expect(await exited).toEqual([EXIT_OK, null]);
});

it("starts before its Redis as it starts before its region, and says what is missing", async () => {
  const { printed, exitCode, interrupt } = start("--redis", "redis://127.0.0.1:9", "--http", "0");
  const line = await readyLine(printed);
  const [, url = ""] = /^parl gateway redis listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line) ?? [];
  const response = await fetch(`${url}/readyz`);
  expect(response.status).toBe(503);
  const { redis } = (await response.json()) as { redis: { message: string } };
  expect(redis.message).toMatch(/^Redis at 127\.0\.0\.1:9: no connection to Redis/);
  interrupt();
  expect(await exitCode).toBe(EXIT_OK);
});

it("decides by a Redis and either clock, under the name that --region gives it", async () => {
  const server = await startRedisServer();
  onTestFinished(() => server.stop());
  for (const clock of ["app", "redis"]) {
    const argv = ["--redis", server.url, "--clock", clock, "--region", "cache-1", "--http", "0", "--json"];
    const { printed, exitCode, interrupt } = start(...argv);
    const ready = JSON.parse(await readyLine(printed)) as { region: string; url: string };
    expect(ready.region).toBe("cache-1");
    const answer = (await (await fetch(`${ready.url}/allow?key=${clock}`)).json()) as object;
    expect(answer).toMatchObject({ allowed: true, policy: "per-key", remaining: 99, region: "cache-1" });
    interrupt();
    expect(await exitCode).toBe(EXIT_OK);
    expect(printed.stderr).toBe("");
  }
});
