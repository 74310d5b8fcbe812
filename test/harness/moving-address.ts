/** One address that leads to one server and later to another, as a virtual IP or a name does after a failover. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface MovingAddress {
  readonly port: number;
  /** Cuts whoever is connected; who connects from now on is led to `port`. */
  lead(port: number): void;
  close(): void;
}

export async function movingAddress(port: number): Promise<MovingAddress> {
  let target = port;
  const open = new Set<Socket>();
  const server = createServer((caller) => {
    const called = connect(target, "127.0.0.1");
    for (const [from, to] of [
      [caller, called],
      [called, caller],
    ] as const) {
      open.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    lead(to) {
      target = to;
      cut();
    },
    close() {
      server.close();
      cut();
    },
  };
}
