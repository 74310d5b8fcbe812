/**
 * Where keys live. Every (tenant, key) has one home shard: FNV-1a over its two subject tokens, modulo the
 * number of shards — the same sum the server does for a published subject. The constant tokens `_org` and
 * `_global` give the coarse dimensions a home too; `_global` belongs to no tenant.
 */
import { fnv1aString } from "./fnv1a.ts";
import { GLOBAL_TOKEN, ORG_TOKEN } from "./id.ts";

/** Shards per region unless configured; part of the cluster's configuration, equal everywhere. */
export const SHARDS_DEFAULT = 64;

export function homeShard(tenant: string, key: string, shards: number): number {
  return fnv1aString(key, fnv1aString(tenant)) % shards;
}

export function orgShard(tenant: string, shards: number): number {
  return homeShard(tenant, ORG_TOKEN, shards);
}

export function globalShard(shards: number): number {
  return homeShard("", GLOBAL_TOKEN, shards);
}

/** The token a check is placed by: its finest dimension. */
export function finestToken(user: string, key: string): string {
  return user !== "" ? user : key !== "" ? key : ORG_TOKEN;
}
