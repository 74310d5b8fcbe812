import { describe, expect, it } from "vitest";
import { AnsweredIds } from "../../admission/answered-ids.ts";
import { Verdict } from "../../core/decision.ts";
import { micros, US_PER_S } from "../../core/units.ts";

const T0 = 1_700_000_000 * US_PER_S;

function answered(remaining: number, request = "check u k 1") {
  const verdict = new Verdict();
  verdict.remaining = remaining;
  return { request, verdict, policy: "p", dimension: 1 };
}

class Desk {
  readonly ids = new AnsweredIds();
  nowUs = T0;

  /** What is remembered of id, by what was left. */
  find(id: string, tenant = "acme", request = "check u k 1"): number | undefined {
    return this.ids.find(tenant, id, request, micros(this.nowUs))?.verdict.remaining;
  }

  ask(id: string, remaining: number, tenant = "acme"): void {
    expect(this.find(id, tenant)).toBeUndefined();
    this.ids.remember(tenant, id, answered(remaining));
  }
}

describe("AnsweredIds", () => {
  it("gives the answer again, also after the verdict it came from served other checks", () => {
    const desk = new Desk();
    const answer = answered(5);
    expect(desk.find("a")).toBeUndefined();
    desk.ids.remember("acme", "a", answer);
    answer.verdict.remaining = 0;
    expect(desk.find("a")).toBe(5);
    expect(desk.ids.find("acme", "a", "check u k 1", micros(T0))).toMatchObject({
      policy: "p",
      dimension: 1,
    });
  });

  it("keeps the ids of tenants apart", () => {
    const desk = new Desk();
    desk.ask("a", 1, "acme");
    desk.ask("a", 2, "globex");
    expect([desk.find("a", "acme"), desk.find("a", "globex")]).toEqual([1, 2]);
  });

  it("refuses an id that was used for another request, and says for which", () => {
    const desk = new Desk();
    desk.ask("a", 1);
    expect(() => desk.find("a", "acme", "check u k 2")).toThrow(
      expect.objectContaining({
        code: "PARL_ID_REUSED",
        field: "id",
        message: "id a was used for another request (check u k 1); take a new id for each request",
      }),
    );
  });

  it("remembers for 30 seconds at least, and forgets within 60", () => {
    for (const offsetUs of [0, 1, 15 * US_PER_S, 30 * US_PER_S - 1]) {
      const desk = new Desk();
      desk.ask("first", 0);
      desk.nowUs += offsetUs;
      desk.ask("a", 1);
      desk.nowUs += 30 * US_PER_S;
      expect(desk.find("a")).toBe(1);
      desk.nowUs += 30 * US_PER_S;
      expect(desk.find("a")).toBeUndefined();
    }
  });

  it("forgets everything over a long silence", () => {
    const desk = new Desk();
    desk.ask("a", 1);
    desk.nowUs += 3_600 * US_PER_S;
    expect(desk.find("a")).toBeUndefined();
  });

  it("keeps the youngest of very many, and no more than twice 65,536", () => {
    const desk = new Desk();
    const count = 3 * 65_536;
    for (let i = 0; i < count; i += 1) {
      desk.find(`id${i}`);
      desk.ids.remember("acme", `id${i}`, answered(i));
    }
    const known = Array.from({ length: count }, (_, i) => desk.find(`id${i}`)).filter(
      (found) => found !== undefined,
    );
    expect(known.length).toBeLessThanOrEqual(2 * 65_536);
    expect(known.at(-1)).toBe(count - 1);
    expect(desk.find(`id${count - 65_536}`)).toBe(count - 65_536);
  });

  it("remembers what another has answered for 30 seconds at least, and forgets it within 60", () => {
    const [giver, taker] = [new Desk(), new Desk()];
    giver.ask("a", 1);
    giver.nowUs += 30 * US_PER_S;
    giver.ask("b", 2);
    taker.ids.load(giver.ids.save(), micros(T0));
    taker.nowUs += 30 * US_PER_S - 1;
    expect([taker.find("a"), taker.find("b")]).toEqual([1, 2]);
    taker.nowUs += 30 * US_PER_S + 1;
    expect([taker.find("a"), taker.find("b")]).toEqual([undefined, undefined]);
  });

  it("takes over nothing of what cannot be read", () => {
    const desk = new Desk();
    desk.ask("a", 1);
    const malformed = expect.objectContaining({ code: "PARL_MALFORMED" }) as unknown;
    for (const text of ["", "[1", "7", "[[]]x"])
      expect(() => desk.ids.load(new TextEncoder().encode(text), micros(T0)), text).toThrow(malformed);
    expect(desk.find("a")).toBe(1);
  });

  it("remembers while the clock steps back", () => {
    const desk = new Desk();
    desk.ask("a", 1);
    desk.nowUs -= 3_600 * US_PER_S;
    expect(desk.find("a")).toBe(1);
  });
});
