import { once } from "node:events";
import { connect as openSocket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { closingConnect } from "../../client/closing-connect.ts";
import { startNatsServer } from "../harness/nats-server.ts";
import { SilentServer } from "../harness/silent-server.ts";

const TIMEOUT_MS = 50;

it("closes the socket of an attempt that nobody has greeted", async () => {
  await using silent = await SilentServer.start();
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await expect(closingConnect({ servers: silent.url, timeout: TIMEOUT_MS })).rejects.toThrow();
    await expect.poll(() => silent.open).toBe(0);
    expect(silent.calls).toBe(attempt);
  }
});

it("closes the sockets of all servers that it tried", async () => {
  await using one = await SilentServer.start();
  await using other = await SilentServer.start();
  const servers = [one.url, other.url];
  await expect(closingConnect({ servers, timeout: TIMEOUT_MS })).rejects.toThrow();
  await expect.poll(() => [one.open, other.open]).toEqual([0, 0]);
  expect([one.calls, other.calls]).toEqual([1, 1]);
});

it("leaves alone the sockets of others: an attempt beside it, and what somebody else opens meanwhile", async () => {
  await using silent = await SilentServer.start();
  await using patient = await SilentServer.start();
  const failing = closingConnect({ servers: silent.url, timeout: TIMEOUT_MS });
  const waiting = closingConnect({ servers: patient.url, timeout: 10 * TIMEOUT_MS });
  const { port } = new URL(silent.url);
  const socket = openSocket(Number(port), "127.0.0.1");
  await once(socket, "connect");
  await expect(failing).rejects.toThrow();
  await expect.poll(() => silent.open).toBe(1);
  expect(patient.open).toBe(1);
  await expect(waiting).rejects.toThrow();
  expect(silent.open).toBe(1);
  socket.destroy();
});

it("connects, and goes on when what it opens for others fails", async () => {
  const nats = await startNatsServer();
  onTestFinished(() => nats.stop());
  await using silent = await SilentServer.start();
  const connection = await closingConnect({ servers: nats.url });
  const failed = Promise.withResolvers<unknown>();
  connection.subscribe("call", {
    callback: () => void closingConnect({ servers: silent.url, timeout: TIMEOUT_MS }).catch(failed.resolve),
  });
  connection.publish("call");
  expect(await failed.promise).toBeInstanceOf(Error);
  await connection.flush();
  await expect.poll(() => silent.open).toBe(0);
  await connection.close();
});
