/**
 * nats-server from Debian testing or sid, unpacked beside the project: about 15 s and no root rights.
 *
 * Debian's stable releases carry servers that are too old. apt is pointed at private folders, so the system's
 * sources, lists, cache and pins stay as they are; its mirror, proxy settings and archive keys are used, and
 * signatures are checked as always. Nothing is installed: the package is only unpacked.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findCommands, run } from "../command.mjs";

const SUITES = ["testing", "sid"];
const KEYRINGS = [
  "/usr/share/keyrings/debian-archive-keyring.pgp",
  "/usr/share/keyrings/debian-archive-keyring.gpg",
];
const NETWORK_LIMIT_MS = 4 * 60_000;
const LOCAL_LIMIT_MS = 60_000;

export const debianPackage = {
  name: "Debian package",

  obstacle({ env }) {
    const missing = ["apt-get", "dpkg-deb"].filter((name) => findCommands(name, env).length === 0);
    return missing.length > 0 ? `${missing.join(" and ")} not on PATH` : undefined;
  },

  async obtain(host, staging) {
    const mirror = await debianMirror(host, staging);
    const absences = [];
    for (const suite of SUITES) {
      const folder = join(staging, suite);
      const apt = confineApt(host, { folder, mirror, suite });
      await apt("update");
      try {
        await apt("download", "nats-server");
        return await unpack(host, folder);
      } catch (error) {
        host.signal.throwIfAborted();
        absences.push(error.message);
      }
    }
    throw new Error(absences.join("; "));
  },
};

/** The Debian mirror that the system itself uses, as apt reads it from whatever form its sources have. */
async function debianMirror(host, staging) {
  const args = ["indextargets", "--format", "$(REPO_URI)"];
  const question = { step: "apt-get indextargets", command: "apt-get", args, limitMs: LOCAL_LIMIT_MS };
  const repositories = await run(host, { ...question, cwd: staging });
  const mirror = repositories.split("\n").find((uri) => /\/debian\/?$/.test(uri));
  if (!mirror) throw new Error("apt's sources name no Debian mirror");
  return mirror;
}

/** An apt-get that knows one suite and works in one private folder. */
function confineApt(host, { folder, mirror, suite }) {
  const configuration = writeAptFolder(folder, { mirror, suite });
  return (...words) => {
    const step = `apt-get ${words[0]} (Debian ${suite})`;
    const args = ["-c", configuration, ...words];
    return run(host, { step, command: "apt-get", args, cwd: folder, limitMs: NETWORK_LIMIT_MS });
  };
}

async function unpack(host, folder) {
  const archive = readdirSync(folder).find((name) => name.endsWith(".deb"));
  const args = ["-x", archive, "."];
  await run(host, { step: "dpkg-deb", command: "dpkg-deb", args, cwd: folder, limitMs: LOCAL_LIMIT_MS });
  return join(folder, "usr", "sbin", "nats-server");
}

/** Makes the private folders and answers the path of a configuration that confines apt to them. */
function writeAptFolder(folder, { mirror, suite }) {
  for (const name of ["sources", "lists/partial", "cache/archives/partial"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const keyring = KEYRINGS.find(existsSync);
  const source = [
    "Types: deb",
    `URIs: ${mirror}`,
    `Suites: ${suite}`,
    "Components: main",
    "Targets: Packages",
  ];
  if (keyring) source.push(`Signed-By: ${keyring}`);
  writeFileSync(join(folder, "sources", "debian.sources"), `${source.join("\n")}\n`);
  writeFileSync(join(folder, "status"), "");
  const path = join(folder, "apt.conf");
  writeFileSync(path, aptConfiguration(folder));
  return path;
}

/** Read by apt after the system's own settings: proxies stay, pins and the hooks that follow an update do not. */
function aptConfiguration(folder) {
  return `
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "${folder}/sources";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "${folder}";
Dir::State::Lists "${folder}/lists";
Dir::State::Status "${folder}/status";
Dir::Cache "${folder}/cache";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Retries "0";
Acquire::Languages "none";
APT::Sandbox::User "root";
#clear APT::Default-Release;
#clear APT::Update;
APT::Update::Error-Mode "any";
`;
}
