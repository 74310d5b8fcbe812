/**
 * Who should own which shard: rendezvous hashing with bounded load.
 *
 *      shard 7:   score(a, 7) = 91   score(b, 7) = 40   score(c, 7) = 77      a first, then c, then b
 *
 * Every shard ranks the members by a hash of (member, shard) and goes to the first that has room; room is
 * ⌈P/n⌉ + 1, so nobody is overloaded by bad luck and, without ties on room, a member that comes or goes
 * moves only its own share. Everybody who knows the same members computes the same table; nobody who does
 * not may do harm, because the table only says who should try (placement.ts).
 *
 * Cost: P · n hashes, when the list of members changes. Source: Thaler and Ravishankar 1998; bounded loads
 * as in Mirrokni, Thorup and Zadimoghaddam 2016.
 */
import { fnv1aString } from "../../core/fnv1a.ts";

/** Shards any one member may be given. */
export function loadMax(members: number, shards: number): number {
  return Math.ceil(shards / members) + 1;
}

/**
 * The member each shard should be owned by, by shard; "" for all when there is nobody.
 *
 * @param members ids, in any order
 */
export function assignShards(members: readonly string[], shards: number): string[] {
  const ids = [...new Set(members)].toSorted();
  if (ids.length === 0) return Array.from({ length: shards }, () => "");
  const room = new Map(ids.map((id) => [id, loadMax(ids.length, shards)]));
  const seeds = new Map(ids.map((id) => [id, fnv1aString(id)]));
  return Array.from({ length: shards }, (_, shard) => {
    let best = "";
    let bestScore = -1;
    for (const id of ids) {
      const score = scoreOf(seeds.get(id) as number, shard);
      if (score > bestScore && (room.get(id) as number) > 0) {
        best = id;
        bestScore = score;
      }
    }
    room.set(best, (room.get(best) as number) - 1);
    return best;
  });
}

/** The finaliser of MurmurHash3: FNV alone leaves the scores of neighbouring shards alike. */
function scoreOf(seed: number, shard: number): number {
  let mixed = seed ^ Math.imul(shard + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
