/**
 * A program built from its source by Go, at a pinned version: on two cores nats-server takes about a minute,
 * nats-cli two.
 *
 * nats-server 2.15.2 asks for Go 1.26; an older Go fetches that toolchain by itself unless told not to, and then
 * its refusal is the reason shown. Without cgo no C compiler is needed.
 */
import { join } from "node:path";
import { findCommands, run } from "../command.mjs";

const LOOKUP_LIMIT_MS = 45_000;
const BUILD_LIMIT_MS = 10 * 60_000;

export const goInstall = {
  name: "go install",
  remedy: "install Go",

  obstacle({ env }) {
    return findCommands("go", env).length > 0 ? undefined : "go is not on PATH";
  },

  async obtain(host, server, { work, result }) {
    const { module, folder, version } = server.ways.goInstall;
    const env = { ...host.env, GOBIN: join(result, "bin"), GOTMPDIR: work, CGO_ENABLED: "0" };
    // The look-up is quick, so a network that does not answer is noticed long before the limit of a build.
    const lookup = {
      step: "go list",
      args: ["list", "-m", `${module}@${version}`],
      limitMs: LOOKUP_LIMIT_MS,
    };
    const program = `${module}${folder}@${version}`;
    const build = { step: "go install", args: ["install", "-v", program], limitMs: BUILD_LIMIT_MS };
    for (const step of [lookup, build]) await run(host, { ...step, command: "go", cwd: work, env });
  },
};
