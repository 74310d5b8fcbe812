/**
 * The regions a command talks to, as one flag: `eu=nats://127.0.0.1:4222,us=nats://127.0.0.1:4223`. The
 * first is home, the others are where to go when it is down. A region with several servers names each:
 * `eu=nats://a:4222,eu=nats://b:4222`.
 */
import type { RegionAddress } from "../client/connect-region.ts";
import { shown } from "../core/errors.ts";
import { UsageError, type StringFlag } from "./flags.ts";

export const REGIONS_FLAG = {
  type: "string",
  value: "<name=url,…>",
  env: "PARL_REGIONS",
  default: "eu=nats://127.0.0.1:4222,us=nats://127.0.0.1:4223,ap=nats://127.0.0.1:4224",
  about: "Regions to talk to, the home region first.",
} as const satisfies StringFlag;

const ENTRY = /^([A-Za-z0-9-]{1,64})=((?:nats|tls):\/\/\S+)$/;

export function parseRegionList(text: string): RegionAddress[] {
  const servers = new Map<string, string[]>();
  for (const entry of text.split(",")) {
    const [, name, url] = ENTRY.exec(entry.trim()) ?? [];
    if (name === undefined || url === undefined || !URL.canParse(url)) {
      throw new UsageError(
        `--regions takes entries like eu=nats://127.0.0.1:4222, got ${shown(entry)}`,
        "regions",
      );
    }
    servers.set(name, [...(servers.get(name) ?? []), url]);
  }
  return [...servers].map(([name, urls]) => ({ name, servers: urls }));
}
