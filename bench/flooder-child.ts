/**
 * A tenant without manners: keeps many packed frames under way and sends the next as soon as one is answered,
 * be it decided or refused. Its frames are made beforehand and its answers hardly looked at, so that the flood
 * takes little of a machine it shares with who is measured. Obeys the orders of flooder-process.ts.
 */
import { createInbox } from "@nats-io/transport-node";
import { connectRegion } from "../client/connect-region.ts";
import { PackedRequestWriter } from "../core/packed-request.ts";
import type { FloodAnswer, FloodOptions, FloodOrder } from "./flooder-process.ts";
import { keysOfShard } from "./shard-keys.ts";

const JSON_START = "{".charCodeAt(0);

interface Frame {
  readonly subject: string;
  readonly bytes: Uint8Array;
}

const { url, tenant, shards, keys, checksPerFrame, framesInFlight } = JSON.parse(
  process.argv[2] ?? "",
) as FloodOptions;
/** Of all shards in turn. */
const frames = inTurn(shards.map((shard) => framesOf(shard, keysOfShard(tenant, shard, keys))));
const connection = await connectRegion({ name: "bench", servers: [url] });
const inbox = createInbox();
let isFlooding = false;
let underWay = 0;
let sent = 0;
let decidedFrames = 0;
let refusedFrames = 0;

connection.subscribe(inbox, {
  callback: (_error, { data }) => {
    underWay -= 1;
    // A frame is refused as a whole, in JSON.
    if (data[0] === JSON_START) refusedFrames += 1;
    else decidedFrames += 1;
    if (isFlooding) send();
  },
});
process.on("message", (order: FloodOrder) => {
  isFlooding = order === "flood";
  if (isFlooding) {
    decidedFrames = 0;
    refusedFrames = 0;
    while (underWay < framesInFlight) send();
  }
  tell();
});
process.on("disconnect", () => process.exit());
tell();

function send(): void {
  const { subject, bytes } = frames[sent % frames.length] as Frame;
  connection.publish(subject, bytes, { reply: inbox });
  underWay += 1;
  sent += 1;
}

function tell(): void {
  const answer: FloodAnswer = {
    decided: decidedFrames * checksPerFrame,
    refused: refusedFrames * checksPerFrame,
  };
  process.send?.(answer);
}

/** Frames of `checksPerFrame` checks each, over all keys of a shard in turn. */
function framesOf(shard: number, names: readonly string[]): Frame[] {
  const subject = `parl.pack.${tenant}.${shard}`;
  const writer = new PackedRequestWriter("check");
  let next = 0;
  return Array.from({ length: Math.ceil(names.length / checksPerFrame) }, () => {
    for (let i = 0; i < checksPerFrame; i += 1) {
      writer.add("approximate", 1, names[next % names.length] as string, "", "");
      next += 1;
    }
    return { subject, bytes: writer.take(0) };
  });
}

function inTurn(lists: readonly Frame[][]): Frame[] {
  return (lists[0] ?? []).flatMap((_, place) => lists.map((list) => list[place] as Frame));
}
