import { expect, it } from "vitest";
import { onlyNamed } from "../../sim/only-flag.ts";

const ALL = [{ name: "kill" }, { name: "pause" }, { name: "leave" }];

it("chooses what is named, once each, in the order asked for", () => {
  expect(onlyNamed("leave,kill,leave", ALL)).toEqual([{ name: "leave" }, { name: "kill" }]);
});

it("says of a name that is not there what was meant, or what there is", () => {
  expect(() => onlyNamed("kill,paus", ALL)).toThrow(
    '--only must be a name there is, perhaps pause, got "paus"',
  );
  expect(() => onlyNamed("nosuchthing", ALL)).toThrow(
    '--only must be among kill, pause, leave, got "nosuchthing"',
  );
  expect(() => onlyNamed("", ALL)).toThrow("--only must be among kill, pause, leave");
});
