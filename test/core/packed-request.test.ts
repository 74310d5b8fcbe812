import { describe, expect, it } from "vitest";
import {
  COST_MAX,
  FRAME_BYTES_MAX,
  FRAME_ITEMS_MAX,
  itemsAtMost,
  PackedRequestReader,
  PackedRequestWriter,
} from "../../core/packed-request.ts";
import { itemsRead, requestFrame, type RequestItem } from "./request-frame.ts";

const ITEMS: readonly RequestItem[] = [
  { tier: "approximate", cost: 1, key: "alice", user: "", id: "" },
  { tier: "strong", cost: COST_MAX, key: "", user: "u1", id: "order-7" },
  { tier: "leased", cost: 0, key: "~4pi6", user: "u2", id: "" },
];

function opened(frame: Uint8Array): PackedRequestReader {
  const reader = new PackedRequestReader();
  reader.open(frame);
  return reader;
}

describe("a packed request", () => {
  it("is laid out as documented", () => {
    const writer = new PackedRequestWriter("report");
    writer.add("leased", 258, "ab", "c", "d");
    expect(Buffer.from(writer.take(1)).toString("hex")).toBe(
      "01010800 01000000 000000000000f03f 01020101 02010000 61626364".replaceAll(" ", ""),
    );
  });

  it("is read as it was written", () => {
    const reader = opened(requestFrame(ITEMS, { epoch: 1_700_000_000_000_001 }));
    expect(reader.epoch).toBe(1_700_000_000_000_001);
    expect(reader.kind).toBe("check");
    expect(itemsRead(reader)).toEqual(ITEMS.map((item) => ({ ...item, problem: undefined })));
    expect(reader.next()).toBe(false);
  });

  it("of the next version, with longer item heads, is read as far as this version goes", () => {
    const reader = opened(requestFrame(ITEMS, { version: 2, headBytes: 23 }));
    expect(itemsRead(reader)).toEqual(ITEMS.map((item) => ({ ...item, problem: undefined })));
  });

  it("names the tier at fault also behind longer item heads", () => {
    const frame = requestFrame(ITEMS, { version: 2, headBytes: 23 });
    frame[16] = 3;
    expect(itemsRead(opened(frame)).map(({ problem }) => problem)).toEqual(["tier", undefined, undefined]);
  });

  it.each([0, 3, 255])("of version %i is refused with its number", (version) => {
    expect(() => opened(requestFrame(ITEMS, { version }))).toThrow(
      expect.objectContaining({
        code: "PARL_UNSUPPORTED_VERSION",
        field: "version",
        message: `the packed message speaks version ${version}; versions 1 to 2 are understood`,
      }),
    );
  });

  it.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array(0)],
    ["half a header", requestFrame(ITEMS).subarray(0, 15)],
    ["an unknown kind", requestFrame(ITEMS, { kind: 2 })],
    ["item heads too short for a cost", requestFrame(ITEMS, { headBytes: 8, headBytesClaimed: 7 })],
    ["one item more than there is", requestFrame(ITEMS, { countClaimed: 4 })],
    ["one item less than there is", requestFrame(ITEMS, { countClaimed: 2 })],
    ["an item cut off in its head", requestFrame(ITEMS).subarray(0, 20)],
    ["an item cut off in its tokens", requestFrame(ITEMS).subarray(0, -1)],
    ["bytes after the last item", Uint8Array.of(...requestFrame(ITEMS), 0)],
    ["items without end", requestFrame([], { countClaimed: FRAME_ITEMS_MAX + 1 })],
    ["more bytes than a message may have", requestFrame([], { trailing: FRAME_BYTES_MAX - 15 })],
    ["1 MiB", requestFrame([], { trailing: 2 ** 20 })],
  ])("of %s is malformed", (_, frame) => {
    expect(() => opened(frame)).toThrow(
      expect.objectContaining({ code: "PARL_MALFORMED", field: "message" }),
    );
  });

  it("says where it is cut off", () => {
    expect(() => opened(requestFrame(ITEMS).subarray(0, 20))).toThrow("ends within item 0 of 3");
  });

  it.each<[string, Partial<RequestItem>]>([
    ["tokens", { cost: COST_MAX + 1 }],
    ["key", { key: "a.b" }],
    ["key", { key: "_org" }],
    ["key", { key: "__proto__" }],
    ["key", { key: "*" }],
    ["key", { key: "a\0" }],
    ["key", { key: "a b" }],
    ["key", { key: "a~" }],
    ["key", { key: "x".repeat(65) }],
    ["key", { key: "x".repeat(255) }],
    // Base64url of "alice", which needs none: two spellings would be two limits.
    ["key", { key: "~YWxpY2U" }],
    ["user", { user: ">" }],
    ["user", { user: "_global" }],
    ["id", { id: "~" }],
  ])("has a problem with %s for %j, and none with its neighbours", (field, bad) => {
    const sound = ITEMS[0] as RequestItem;
    const reader = opened(requestFrame([sound, { ...sound, ...bad }, sound]));
    expect(itemsRead(reader).map(({ problem }) => problem)).toEqual([undefined, field, undefined]);
  });

  it("writes no more items than the reply can answer in one message", () => {
    const writer = new PackedRequestWriter("check");
    let count = 0;
    for (; writer.hasRoom; count += 1) writer.add("approximate", 1, "k", "", "");
    expect(count).toBe(FRAME_ITEMS_MAX);
    expect(opened(writer.take(0)).count).toBe(FRAME_ITEMS_MAX);
    expect(writer.hasRoom).toBe(true);
    const token = "x".repeat(64);
    while (writer.hasRoom) writer.add("approximate", 1, token, token, token);
    const frame = writer.take(0);
    expect(frame.length).toBeLessThanOrEqual(FRAME_BYTES_MAX);
    expect(opened(frame).count).toBeGreaterThan(1_000);
  });

  it("counts the items it can hold without reading them", () => {
    expect(itemsAtMost(requestFrame(ITEMS))).toBe(3);
    expect(itemsAtMost(requestFrame(ITEMS, { countClaimed: 65_535 }))).toBe(5);
    expect(itemsAtMost(new Uint8Array(0))).toBe(0);
    expect(itemsAtMost(new Uint8Array(15).fill(255))).toBe(0);
  });
});
