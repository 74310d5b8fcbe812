import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { loadJointScript } from "../../lua/joint-script.ts";
import { REDIS_ALGORITHMS } from "../../lua/limiter-params.ts";
import { loadScript } from "../../lua/script-loader.ts";

it("has every script as it stands, and is named by the SHA-1 of what is sent", () => {
  const { text, sha1 } = loadJointScript();
  for (const algorithm of REDIS_ALGORITHMS) {
    expect(text).toContain(`scripts['${algorithm}'] = { numbers = `);
    expect(text).toContain(loadScript(algorithm).text);
  }
  expect(sha1).toBe(createHash("sha1").update(text).digest("hex"));
  expect(text.split("\n").filter((line) => /^\s*--/.test(line))).toEqual([]);
});

it("gives a script its numbers in the order of its header, the mode where that has it", () => {
  const { text } = loadJointScript();
  expect(text).toContain(
    "local KEYS, ARGV = { key }, { mode, numbers[1], numbers[2], numbers[3], numbers[4], now_us, cost }",
  );
});

it("is read once", () => {
  expect(loadJointScript()).toBe(loadJointScript());
});
