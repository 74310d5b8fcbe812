import { expect, it } from "vitest";
import { argumentText } from "../../lua/script-contract.ts";
import { loadScript } from "../../lua/script-loader.ts";

const { contract } = loadScript("gcra");

it("a header is read as the contract it is", () => {
  expect(contract.call.map(({ name }) => name)).toEqual([
    "mode",
    "capacity",
    "interval",
    "ticks_per_us",
    "ttl_min_ms",
  ]);
  expect(contract.call[0]).toMatchObject({ words: ["check", "report", "refund"] });
  expect(contract.call[2]).toMatchObject({ min: 1, max: 2 ** 45 });
  expect(contract.perKey.map(({ name, min, max }) => [name, min, max])).toEqual([
    ["now_us", 0, 2 ** 52],
    ["cost", 0, 2 ** 31 - 1],
  ]);
  expect(contract.returns.map(({ name }) => name)).toEqual([
    "outcome",
    "remaining",
    "retry_after_us",
    "reset_after_us",
  ]);
});

it("an argument is the number's digits, all of them", () => {
  const [nowUs] = contract.perKey;
  expect(argumentText(nowUs!, 1_753_267_200_123_456)).toBe("1753267200123456");
  expect(argumentText(nowUs!, 2 ** 52)).toBe("4503599627370496");
});

it.each([-1, 2 ** 31, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "1", null, undefined])(
  "a cost of %s is refused, by the name it has on this side",
  (cost) => {
    expect(() => argumentText(contract.perKey[1]!, cost)).toThrow(
      expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", field: "cost" }),
    );
  },
);

it("names in messages are those of this side", () => {
  expect(() => argumentText(contract.perKey[0]!, -1)).toThrow(
    "nowUs must be a whole number from 0 to 4503599627370496, got -1",
  );
  expect(() => argumentText(contract.call[0]!, "peek")).toThrow("mode must be one of check, report, refund");
});
