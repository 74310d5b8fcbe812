/**
 * The servers that set-up sees to, and the NATS project's command beside them: what each is called, from which
 * version on it will do, and where it may come from. Only data; locate.mjs finds them, obtain.mjs obtains them.
 *
 *   name        the program, also in .parl; `alternatives` on PATH will do as well
 *   companions  programs that come along when it is obtained
 *   probe       the flag that asks for its version, and `banner` how its answer begins
 *   ways        what each of obtain.mjs's ways needs to know to obtain it
 */
export const natsServer = {
  name: "nats-server",
  alternatives: [],
  companions: [],
  neededBy: "PARL needs",
  // Older ones accept message TTLs and ignore them; 2.9 also lets two writers win one compare-and-set.
  minimum: "2.12.0",
  probe: "-v",
  banner: /^nats-server: v/,
  variable: "PARL_NATS_SERVER",
  ways: {
    goInstall: { module: "github.com/nats-io/nats-server/v2", folder: "", version: "v2.15.2" },
    // Debian's stable releases carry servers that are too old.
    debianPackage: { package: "nats-server", suites: ["testing", "sid"], program: "usr/sbin/nats-server" },
    homebrew: { formula: "nats-server" },
  },
};

export const redisServer = {
  name: "redis-server",
  // Valkey speaks Redis's protocol and counts on from 7.2.
  alternatives: ["valkey-server"],
  companions: ["redis-cli"],
  neededBy: "PARL's tests and lab need",
  // What Debian 12 and Ubuntu 24.04 carry; Ubuntu 22.04 has 6.0.
  minimum: "7.0.0",
  probe: "-v",
  banner: /^(?:Redis|Valkey) server v=/,
  variable: "PARL_REDIS_SERVER",
  ways: {
    // redis-server is a link to a program of redis-tools.
    aptPackage: { packages: ["redis-server", "redis-tools"], folder: "usr/bin" },
    homebrew: { formula: "redis" },
  },
};

/** For those who want to ask or hurt a region by hand; nothing in PARL starts it. */
export const natsCli = {
  name: "nats",
  alternatives: [],
  companions: [],
  neededBy: "The commands of docs/operations.md need",
  // The release line with which they were tried.
  minimum: "0.5.0",
  probe: "--version",
  banner: /^v?\d+\.\d+/,
  variable: "PARL_NATS_CLI",
  ways: {
    goInstall: { module: "github.com/nats-io/natscli", folder: "/nats", version: "v0.5.1" },
  },
};
