import { expect, it } from "vitest";
import { Progress } from "../../../cli/replay/progress.ts";

function progressOver(isTTY: boolean) {
  let written = "";
  let nowMs = 0;
  const sink = { isTTY, write: (text: string) => (written += text) };
  const progress = new Progress(sink, 2_000, () => nowMs);
  const at = (ms: number, done: number): string => {
    written = "";
    nowMs = ms;
    progress.update(done);
    return written;
  };
  const clear = (): string => {
    written = "";
    progress.clear();
    return written;
  };
  return { at, clear };
}

it("redraws a bar on a terminal, ten times a second at most, and takes it away", () => {
  const { at, clear } = progressOver(true);
  expect(at(50, 10)).toBe("");
  expect(clear()).toBe("");
  expect(at(100, 1_000)).toBe("\r\u001B[K████████████░░░░░░░░░░░░ 1,000 of 2,000, 10,000/s");
  expect(at(150, 1_500)).toBe("");
  expect(clear()).toBe("\r\u001B[K");
});

it("prints a line every few seconds anywhere else", () => {
  const { at, clear } = progressOver(false);
  expect(at(4_000, 500)).toBe("");
  expect(at(5_000, 999)).toBe("49 %: 999 of 2,000, 200/s\n");
  expect(at(9_000, 1_500)).toBe("");
  expect(clear()).toBe("");
});
