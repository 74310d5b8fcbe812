import { describe, expect, it } from "vitest";
import { actorEnvironment } from "../../deploy/actor-environment.ts";

describe("the environment of an actor process", () => {
  it("keeps Node options that were given, after its own, so that they win", () => {
    const { NODE_OPTIONS } = actorEnvironment({ NODE_OPTIONS: "--max-semi-space-size=8" });
    expect(NODE_OPTIONS).toMatch(/^--max-semi-space-size=1 --max-semi-space-size=8$/);
  });

  it.each([{}, { NODE_OPTIONS: "" }])("needs nothing to be set: %j", (env) => {
    expect(actorEnvironment(env)).toEqual({
      MALLOC_MMAP_THRESHOLD_: "131072",
      NODE_OPTIONS: "--max-semi-space-size=1",
    });
  });
});
