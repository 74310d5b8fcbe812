/** A server from Homebrew, on macOS or Linux; a copy enters the cache, so `brew upgrade` cannot surprise us. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { findCommands, run } from "../command.mjs";

const INSTALL_LIMIT_MS = 10 * 60_000;
const QUESTION_LIMIT_MS = 30_000;

export const homebrew = {
  name: "Homebrew",
  remedy: "install Homebrew",

  obstacle({ env }) {
    return findCommands("brew", env).length > 0 ? undefined : "brew is not on PATH";
  },

  async obtain(host, server, { work, result }) {
    const { formula } = server.ways.homebrew;
    const brew = (limitMs, ...args) =>
      run(host, { step: `brew ${args[0]}`, command: "brew", args, cwd: work, limitMs });
    await brew(INSTALL_LIMIT_MS, "install", formula);
    const prefix = await brew(QUESTION_LIMIT_MS, "--prefix", formula);
    for (const program of [server.name, ...server.companions]) {
      copyFileSync(join(prefix.trim(), "bin", program), join(result, "bin", program));
    }
  },
};
