/**
 * apt-get at work in one private folder: no root rights, and the system's lists and cache stay as they are.
 * The system's proxy settings are used, and signatures are checked as always.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findCommands, run } from "../command.mjs";

const NETWORK_LIMIT_MS = 4 * 60_000;
const LOCAL_LIMIT_MS = 60_000;

/** Why packages cannot be fetched and unpacked here, if so. */
export function aptObstacle({ env }) {
  const missing = ["apt-get", "dpkg-deb"].filter((name) => findCommands(name, env).length === 0);
  return missing.length > 0 ? `${missing.join(" and ")} not on PATH` : undefined;
}

/** An apt-get in that folder. `settings` are read after the common ones; `label` tells its steps apart. */
export function privateApt(host, { folder, label, settings }) {
  for (const name of ["lists/partial", "cache/archives/partial"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const configuration = join(folder, "apt.conf");
  writeFileSync(configuration, `${commonSettings(folder)}${settings}`);
  return (...words) => {
    const step = `apt-get ${words[0]} (${label})`;
    const args = ["-c", configuration, ...words];
    return run(host, { step, command: "apt-get", args, cwd: folder, limitMs: NETWORK_LIMIT_MS });
  };
}

/** What apt says of the system, without the network. */
export function askApt(host, { cwd, args }) {
  return run(host, { step: `apt-get ${args[0]}`, command: "apt-get", args, cwd, limitMs: LOCAL_LIMIT_MS });
}

export function unpack(host, archive, folder) {
  const args = ["-x", archive, "."];
  return run(host, { step: "dpkg-deb", command: "dpkg-deb", args, cwd: folder, limitMs: LOCAL_LIMIT_MS });
}

/** Read by apt after the system's own settings: the hooks that follow an update do not stay. */
function commonSettings(folder) {
  return `
Dir::State "${folder}";
Dir::State::Lists "${folder}/lists";
Dir::Cache "${folder}/cache";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Retries "0";
Acquire::Languages "none";
APT::Sandbox::User "root";
#clear APT::Update;
APT::Update::Error-Mode "any";
`;
}
