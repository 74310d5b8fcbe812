/**
 * A server from the system's own release (Debian, Ubuntu and their kin), with the libraries it needs and the
 * system lacks, unpacked beside the project: about 10 s.
 *
 * apt works out which packages that are, from the system's own sources, pins and record of what is installed,
 * downloads them, and does no more.
 *
 *   .parl/redis-server/      the packages, unpacked
 *   .parl/bin/redis-server   a script that starts the program in there and tells it where its libraries are
 */
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { aptObstacle, privateApt, unpack } from "./private-apt.mjs";

/** Nothing of the system is changed, so nothing has to be locked, which takes root rights. */
const SETTINGS = `
Dir::State::Status "/var/lib/dpkg/status";
Debug::NoLocking "true";
`;

export const aptPackage = {
  name: "apt package",
  remedy: "use a Debian or Ubuntu that carries one",
  obstacle: aptObstacle,

  async obtain(host, server, { work, result }) {
    const { packages, folder } = server.ways.aptPackage;
    const tree = join(result, server.name);
    mkdirSync(tree);
    for (const archive of await download(host, packages, work)) await unpack(host, archive, tree);
    const libraries = libraryFolders(tree).map((path) => join(server.name, path));
    for (const program of [server.name, ...server.companions]) {
      const script = startScript(join(server.name, folder, program), libraries);
      writeFileSync(join(result, "bin", program), script);
      chmodSync(join(result, "bin", program), 0o755);
    }
  },
};

/** The archives of the packages, installed or not, and of what they need and is not installed. */
async function download(host, packages, folder) {
  const apt = privateApt(host, { folder, label: "this system's release", settings: SETTINGS });
  // One source of many that does not answer is no reason to give up, but it may be the reason for what follows.
  const trouble = await apt("update").then(
    () => undefined,
    (error) => error,
  );
  host.signal.throwIfAborted();
  try {
    await apt("install", "--reinstall", "--yes", "--download-only", "--no-install-recommends", ...packages);
    return archivesIn(join(folder, "cache", "archives"));
  } catch (error) {
    throw trouble ?? error;
  }
}

/** What is installed but in no source apt passes over with a shrug. */
function archivesIn(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".deb"));
  if (names.length === 0) throw new Error("apt's sources have no package to download");
  return names.map((name) => join(folder, name));
}

/** The folders of the tree that hold libraries (not plugins, whose names end in .so), relative to it. */
function libraryFolders(tree) {
  const files = readdirSync(tree, { recursive: true });
  return [...new Set(files.filter((file) => /\.so\.\d/.test(file)).map((file) => dirname(file)))];
}

/** Paths are relative to .parl, so that the checkout can be moved. */
function startScript(program, libraries) {
  const path = libraries.map((folder) => `$parl/${folder}`).join(":");
  return [
    "#!/bin/sh",
    "parl=${0%/*}/..",
    `export LD_LIBRARY_PATH="${path}"`,
    `exec "$parl/${program}" "$@"`,
    "",
  ].join("\n");
}
