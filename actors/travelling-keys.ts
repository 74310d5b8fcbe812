/** A shard's keys as the giver of a handoff sends them: the walk over all, then what became dirty meanwhile. */
import type { KeyWalk, ShardKeys } from "../admission/shard-keys.ts";
import { StatePageWriter } from "../algorithms/state-page.ts";
import type { Micros } from "../core/units.ts";
import type { TravellingShard } from "./handoff/transfer.ts";

/** @param wallUs pages say when they were written, also those of keys that nobody has asked for in a while */
export function travellingKeys(keys: ShardKeys, wallUs: () => Micros): TravellingShard {
  let walk: KeyWalk = keys.newWalk();
  return {
    start() {
      keys.startTracking();
      walk = keys.newWalk();
    },
    nextPage(bytesMax) {
      keys.moveOn(wallUs());
      const page = new StatePageWriter({ bytes: bytesMax });
      keys.writePage(walk, page);
      // One without entries goes as well: a table of idle keys would else be walked in one go.
      return walk.isDone && page.count === 0 ? undefined : page.finish();
    },
    get dirtyCount() {
      return keys.dirtyKeys;
    },
    nextDirtyPage(bytesMax) {
      keys.moveOn(wallUs());
      const page = new StatePageWriter({ bytes: bytesMax });
      while (keys.writeDirtyPage(page)) if (page.count > 0) return page.finish();
      return undefined;
    },
    stop() {
      keys.stopTracking();
    },
  };
}
