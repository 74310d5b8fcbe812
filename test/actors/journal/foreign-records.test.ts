/** A journal in which a program of another version has written: its writer gives way, whoever it is. */
import { beforeEach, describe, expect, it } from "vitest";
import { foreignRecord } from "./record-samples.ts";
import { Host } from "./scripted-host.ts";

const START = { how: "fresh", lastSequence: 0, takeovers: [], weight: 0 } as const;
const WRONG = { kind: "wrong-sequence" } as const;

let host: Host;

beforeEach(() => {
  host = new Host();
});

describe("a journal that is being opened", () => {
  it.each(["fresh", "exhausted", "recovered"] as const)(
    "does not write over a record of another version that came before its opening, however %s it is",
    (how) => {
      host.step({ kind: "open", ...START, how, lastSequence: 5 });
      host.answer(WRONG);
      host.last({ kind: "found", sequence: 6, bytes: foreignRecord() });
      host.step({ kind: "tick" });
      expect(host.taken()).toEqual(["opened 0 after 5", "read last", "stale"]);
    },
  );

  it("follows the record of another version that it has found", () => {
    host.step({ kind: "open", ...START, how: "exhausted", lastSequence: 5 });
    host.answer(WRONG);
    host.last({ kind: "found", sequence: 5, bytes: foreignRecord() });
    host.tick();
    expect(host.taken()).toEqual(["opened 0 after 5", "read last", "opened 0 after 5"]);
  });
});

describe("an open journal", () => {
  it("is superseded by an owner whose records are of another version, and writes nothing more", () => {
    host.step({ kind: "open", ...START });
    host.ack(1);
    host.taken();
    host.due = ["a"];
    host.tick();
    host.answer(WRONG);
    host.last({ kind: "found", sequence: 2, bytes: foreignRecord() });
    host.step({ kind: "tick" });
    expect(host.taken()).toEqual(["states 1 after 1 a", "read last", "superseded by foreign"]);
  });
});
