import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeId } from "../../core/id.ts";
import { homeShard, SHARDS_DEFAULT } from "../../core/key.ts";
import { Prng } from "../../core/prng.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";

let nats: TestNatsServer;
let peer: NatsConnection;

beforeAll(async () => {
  nats = await startNatsServer();
  peer = await connect({ servers: nats.url });
});

afterAll(async () => {
  await peer.close();
  await nats.stop();
});

const PLANES = ["abcXYZ019_-", " .*>~/\\\0", "éßñ", "日本語", "😀"] as const;

/** Any id a tenant may come up with, as its token. */
function randomToken(prng: Prng): string {
  const letters = Array.from(PLANES[prng.below(PLANES.length)] as string);
  const text = Array.from({ length: 1 + prng.below(80) }, () => letters[prng.below(letters.length)]);
  return encodeId(text.join(""));
}

/** Where the server takes what is published on `subject`. */
async function landingsOf(subjects: readonly string[]): Promise<string[]> {
  const landings: string[] = [];
  const everything = peer.subscribe("parl.>", {
    callback: (_error, { subject }) => void landings.push(subject),
  });
  for (const subject of subjects) peer.publish(subject);
  await peer.flush();
  everything.unsubscribe();
  return landings;
}

describe("a region's server", () => {
  it("takes 500 random tokens to the shards where we look for them", async () => {
    const prng = new Prng(500);
    const pairs = Array.from({ length: 500 }, () => [randomToken(prng), randomToken(prng)] as const);
    for (const [from, verb] of [
      ["check", "check"],
      ["report", "report"],
      ["observe.key", "observe"],
    ] as const) {
      const landings = await landingsOf(pairs.map(([tenant, key]) => `parl.${from}.${tenant}.${key}`));
      expect(landings).toEqual(
        pairs.map(
          ([tenant, key]) => `parl.shard.${homeShard(tenant, key, SHARDS_DEFAULT)}.${verb}.${tenant}.${key}`,
        ),
      );
    }
  });

  it("takes packed frames to the shard they name, and the tenant with them", async () => {
    expect(await landingsOf(["parl.pack.acme.0", "parl.pack.~4pi6.63"])).toEqual([
      "parl.shard.0.pack.acme",
      "parl.shard.63.pack.~4pi6",
    ]);
  });

  it("leaves questions about policies, shards and the region where they are", async () => {
    const questions = ["parl.observe.region", "parl.observe.policy.per-key", "parl.observe.shard.3"];
    expect(await landingsOf(questions)).toEqual(questions);
  });
});
