import { expect, it } from "vitest";
import { Misunderstandings } from "../../../actors/handoff/misunderstandings.ts";
import { ParlError } from "../../../core/errors.ts";

it("are said once until there is another, and daily life never", () => {
  const said: string[] = [];
  const misunderstandings = new Misunderstandings((words) => said.push(words));
  const version = new ParlError("PARL_UNSUPPORTED_VERSION", "speaks version 2");
  const damage = new ParlError("PARL_MALFORMED", "is page 2, page 1 has not arrived");
  for (const error of [version, version, damage, version]) misunderstandings.heard(error);
  for (const code of ["PARL_NOT_OWNER", "PARL_OVERLOADED", "PARL_UNAVAILABLE", "PARL_NOT_FOUND"] as const) {
    misunderstandings.heard(new ParlError(code, "as always"));
  }
  expect(said.map((words) => words.split(": ")[1])).toEqual([
    "speaks version 2",
    "is page 2, page 1 has not arrived",
    "speaks version 2",
  ]);
});
