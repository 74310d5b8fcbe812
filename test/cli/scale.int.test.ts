import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "../../cli/command.ts";
import { scale } from "../../cli/scale.ts";
import { ProcessGroup, type Part } from "../../cli/up/process-group.ts";
import { SCALE_SUBJECT, Scaler } from "../../cli/up/scaler.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";
import { isAlive } from "./child.ts";
import { runHere } from "./command-run.ts";

/** Notes that it runs, says so and waits to be ended. */
const PROGRAM = `
const [n, folder] = process.argv.slice(1);
require("node:fs").writeFileSync(folder + "/" + n + "-" + process.pid, "");
console.log("parl actor " + n + " ready");
setInterval(() => {}, 60_000);
`;
/** Never says that it is ready. */
const MUTE = PROGRAM.replace("ready", "thinks");
const BROKEN = 'console.log("no room"); process.exit(3);';

let server: TestNatsServer;
let here: readonly string[];
let nats: NatsConnection;
let group: ProcessGroup;
let stop: AbortController;
/** What happened to processes, as the group said it. */
let said: string[];
let folder: string;
let programOf: (n: number) => string;

beforeAll(async () => {
  server = await startNatsServer();
  here = ["--regions", `eu=${server.url}`];
});

afterAll(() => server.stop());

beforeEach(async () => {
  said = [];
  programOf = () => PROGRAM;
  folder = await mkdtemp(join(tmpdir(), "parl-scale-"));
  stop = new AbortController();
  nats = await connect({ servers: server.url });
  group = new ProcessGroup((line) => said.push(line));
  const scaler = new Scaler(group, { region: "eu", part }, stop.signal);
  scaler.listen(nats);
  await nats.flush();
});

afterEach(async () => {
  stop.abort();
  await group.stop();
  await nats.close();
  await rm(folder, { recursive: true });
});

/** The processes of that many that run. */
async function running(): Promise<number[]> {
  const files = (await readdir(folder)).map((name) => name.split("-").map(Number) as [number, number]);
  return files.flatMap(([n, pid]) => (isAlive(pid) ? [n] : [])).toSorted((a, b) => a - b);
}

function part(n: number): Part {
  const args = ["-e", programOf(n), String(n), folder];
  return {
    title: `actor eu-${n}`,
    path: process.execPath,
    args,
    env: {},
    readyLine: /^parl actor \d+ ready/,
  };
}

describe("parl scale", () => {
  it("starts and ends processes, and says how many there were and are", { timeout: 60_000 }, async () => {
    expect(await runHere(scale, "eu", "2", ...here)).toEqual({
      code: EXIT_OK,
      stdout: "eu: 2 actor processes, 0 before\n",
      stderr: "",
    });
    const down = await runHere(scale, "eu", "1", "--json", ...here);
    expect(JSON.parse(down.stdout)).toEqual({ region: "eu", before: 2, processes: 1 });
    expect(await running()).toEqual([1]);
    // One that was ended on purpose is not started again.
    expect(said.filter((line) => line.includes("starting it again"))).toEqual([]);
  });

  it(
    "says why a process does not start, and tries it anew when it is asked again",
    { timeout: 60_000 },
    async () => {
      programOf = (n) => (n === 2 ? BROKEN : PROGRAM);
      expect(await runHere(scale, "eu", "2", ...here)).toEqual({
        code: EXIT_FAILED,
        stdout: "",
        stderr: "parl scale: actor eu-2 did not start: no room\n",
      });
      programOf = () => PROGRAM;
      expect(await runHere(scale, "eu", "2", "--json", ...here)).toMatchObject({
        stdout: '{"region":"eu","before":1,"processes":2}\n',
      });
      expect(await running()).toEqual([1, 2]);
      // The one that runs is ended, whatever became of the one that did not.
      await runHere(scale, "eu", "1", ...here);
      expect(await running()).toEqual([1]);
    },
  );

  it("lets the demo end while it waits for a process", { timeout: 60_000 }, async () => {
    programOf = () => MUTE;
    const asked = nats.request(SCALE_SUBJECT, '{"processes":1}', { timeout: 30_000 }).catch(() => undefined);
    await expect.poll(running, { timeout: 20_000 }).toEqual([1]);
    stop.abort();
    await nats.close();
    await asked;
    await group.stop();
    expect(await running()).toEqual([]);
  });

  it("says that nobody runs a demo, and what to do", async () => {
    const empty = await startNatsServer();
    try {
      expect(await runHere(scale, "eu", "2", "--regions", `eu=${empty.url}`)).toEqual({
        code: EXIT_FAILED,
        stdout: "",
        stderr: "parl scale: nobody runs a demo in region eu; start one with npm start\n",
      });
    } finally {
      await empty.stop();
    }
  });

  it.each([
    [["eu"], /<processes> is missing/],
    [["eu", "0"], /<processes> must be a whole number from 1 to 16, got "0"/],
    [["eu", "17"], /from 1 to 16, got "17"/],
    [["eu", "two"], /got "two"/],
    [["us", "2"], /<region> must be one of eu .*got "us"/],
  ])("says what is wrong with %j, and changes nothing", async (argv, message) => {
    const answer = await runHere(scale, ...argv, ...here);
    expect(answer).toMatchObject({ code: EXIT_USAGE, stdout: "" });
    expect(answer.stderr).toMatch(message);
    expect(said).toEqual([]);
  });
});
