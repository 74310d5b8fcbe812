import { describe, expect, it } from "vitest";
import { ParlError } from "../../core/errors.ts";
import { isNoScript, parlErrorOf, redisFaultOf } from "../../lua/redis-errors.ts";

describe("an error of Redis or its client becomes one of ours", () => {
  it.each([
    ["OOM command not allowed when used memory > 'maxmemory'.", "PARL_OVERLOADED"],
    ["BUSY Redis is busy running a script.", "PARL_OVERLOADED"],
    ["READONLY You can't write against a read only replica.", "PARL_UNAVAILABLE"],
    ["LOADING Redis is loading the dataset in memory", "PARL_UNAVAILABLE"],
    ["CLUSTERDOWN Hash slot not served", "PARL_UNAVAILABLE"],
    ["MISCONF Redis is configured to save RDB snapshots", "PARL_UNAVAILABLE"],
    ["NOAUTH Authentication required.", "PARL_INTERNAL"],
    ["NOPERM this user has no permissions to run the 'evalsha' command", "PARL_INTERNAL"],
    ["WRONGTYPE Operation against a key holding the wrong kind of value", "PARL_INTERNAL"],
    ["CROSSSLOT Keys in request don't hash to the same slot", "PARL_INVALID_ARGUMENT"],
    ["All keys in the pipeline should belong to the same slots allocation group", "PARL_INVALID_ARGUMENT"],
    ["PARL_INVALID_ARGUMENT cost must be a whole number", "PARL_INVALID_ARGUMENT"],
    ["Stream isn't writeable and enableOfflineQueue options is false", "PARL_UNAVAILABLE"],
    ["Cluster isn't ready and enableOfflineQueue options is false", "PARL_UNAVAILABLE"],
    ["Connection is closed.", "PARL_UNAVAILABLE"],
    ["Reached the max retries per request limit (which is 0).", "PARL_UNAVAILABLE"],
    ["connect ECONNREFUSED 127.0.0.1:1", "PARL_UNAVAILABLE"],
    ["Failed to refresh slots cache.", "PARL_UNAVAILABLE"],
    ["user_script:3: attempt to perform arithmetic on a nil value", "PARL_INTERNAL"],
    ["constructor", "PARL_INTERNAL"],
  ])("%s", (message, code) => {
    const cause = new Error(message);
    const error = parlErrorOf(cause);
    expect(error).toMatchObject({ code, cause });
    expect(error.message).toContain(message);
  });

  it("and what is one already stays as it is", () => {
    const error = new ParlError("PARL_DEADLINE_EXCEEDED", "late");
    expect(parlErrorOf(error)).toBe(error);
  });

  it("also when somebody throws what is no error", () => {
    expect(parlErrorOf("odd")).toMatchObject({ code: "PARL_INTERNAL", message: "Redis failed: odd" });
  });
});

it("only a script that was not there is called again", () => {
  expect(isNoScript(new Error("NOSCRIPT No matching script. Please use EVAL."))).toBe(true);
  expect(isNoScript(new Error("ERR about a NOSCRIPT"))).toBe(false);
  expect(isNoScript(undefined)).toBe(false);
});

describe("what was wrong with Redis", () => {
  it.each([
    ["OOM command not allowed when used memory > 'maxmemory'.", "full"],
    ["BUSY Redis is busy running a script.", "busy"],
    ["READONLY You can't write against a read only replica.", "read_only"],
    ["LOADING Redis is loading the dataset in memory", "loading"],
    ["MASTERDOWN Link with MASTER is down", "primary_down"],
    ["NOREPLICAS Not enough good replicas to write.", "too_few_replicas"],
    ["MISCONF Redis is configured to save RDB snapshots", "not_persisting"],
    ["MOVED 3999 127.0.0.1:6381", "cluster"],
    ["CLUSTERDOWN Hash slot not served", "cluster"],
    ["NOAUTH Authentication required.", "access"],
    ["WRONGTYPE Operation against a key holding the wrong kind of value", "foreign_key"],
    ["Stream isn't writeable and enableOfflineQueue options is false", "unreachable"],
    ["connect ECONNREFUSED 127.0.0.1:1", "unreachable"],
    ["user_script:3: attempt to perform arithmetic on a nil value", "other"],
    ["constructor", "other"],
  ])("is one word: %s", (message, fault) => {
    expect(redisFaultOf(parlErrorOf(new Error(message)))).toBe(fault);
  });

  it("is told from what this side gave up by itself", () => {
    expect(redisFaultOf(new ParlError("PARL_DEADLINE_EXCEEDED", "late"))).toBe("timeout");
    expect(redisFaultOf(new ParlError("PARL_OVERLOADED", "Redis owes 10 answers"))).toBe("crowded");
  });
});
