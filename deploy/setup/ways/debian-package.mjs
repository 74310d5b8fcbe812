/**
 * A server from a Debian suite that is not the system's, unpacked beside the project: about 15 s.
 *
 * apt is told that suite only, and nothing of the system's sources and pins; the system's mirror and archive keys
 * are used. The package is taken alone, so this is for programs that need no libraries.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aptObstacle, askApt, privateApt, unpack } from "./private-apt.mjs";

const KEYRINGS = [
  "/usr/share/keyrings/debian-archive-keyring.pgp",
  "/usr/share/keyrings/debian-archive-keyring.gpg",
];

export const debianPackage = {
  name: "Debian package",
  remedy: "use Debian's apt",
  obstacle: aptObstacle,

  async obtain(host, server, { work, result }) {
    const { suites, package: name, program } = server.ways.debianPackage;
    const mirror = await debianMirror(host, work);
    const absences = [];
    for (const suite of suites) {
      const folder = join(work, suite);
      const apt = suiteApt(host, { folder, mirror, suite });
      await apt("update");
      try {
        await apt("download", name);
        await unpack(host, readdirSync(folder).find(isArchive), folder);
        return renameSync(join(folder, program), join(result, "bin", server.name));
      } catch (error) {
        host.signal.throwIfAborted();
        absences.push(error.message);
      }
    }
    throw new Error(absences.join("; "));
  },
};

const isArchive = (name) => name.endsWith(".deb");

/** The Debian mirror that the system itself uses, as apt reads it from whatever form its sources have. */
async function debianMirror(host, cwd) {
  const repositories = await askApt(host, { cwd, args: ["indextargets", "--format", "$(REPO_URI)"] });
  const mirror = repositories.split("\n").find((uri) => /\/debian\/?$/.test(uri));
  if (!mirror) throw new Error("apt's sources name no Debian mirror");
  return mirror;
}

/** An apt-get that knows one suite, and no package as installed. */
function suiteApt(host, { folder, mirror, suite }) {
  mkdirSync(join(folder, "sources"), { recursive: true });
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
  const settings = `
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "${folder}/sources";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Status "${folder}/status";
#clear APT::Default-Release;
`;
  return privateApt(host, { folder, label: `Debian ${suite}`, settings });
}
