/**
 * Connecting that leaves no socket behind when it fails.
 *
 * The NATS library gives an attempt up when its time is over, and closes the socket only if the server has greeted
 * it. One that takes the call and says nothing, or a host that swallows it, would cost whoever tries again one
 * more socket each time. The library does not show its sockets; Node does, on a channel, in the asynchronous
 * context of whoever had them made: so those of one attempt are known, and of nobody else.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { channel } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { connect, type ConnectionOptions, type NatsConnection } from "@nats-io/transport-node";

/** Sockets made so far; undefined once it is known how the attempt ended. */
interface Attempt {
  sockets: Socket[] | undefined;
}

const attempts = new AsyncLocalStorage<Attempt>();

channel("net.client.socket").subscribe((message) => {
  attempts.getStore()?.sockets?.push((message as { socket: Socket }).socket);
});

/** As the library's own. */
export async function closingConnect(options: ConnectionOptions): Promise<NatsConnection> {
  const attempt: Attempt = { sockets: [] };
  try {
    return await attempts.run(attempt, () => connect(options));
  } catch (error) {
    for (const socket of attempt.sockets ?? []) socket.destroy();
    throw error;
  } finally {
    // What is made in this context from now on belongs to the connection.
    attempt.sockets = undefined;
  }
}
