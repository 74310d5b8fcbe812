/**
 * Which part of a logged request names the tenant, the key and the user of its check.
 */
import type { Micros } from "../core/units.ts";
import type { AccessRecord } from "./access-log.ts";

/** The fields that can name somebody; `path` is the target without its query. */
const FIELDS = {
  ip: ({ host }) => host,
  user: ({ user }) => user,
  ident: ({ ident }) => ident,
  agent: ({ agent }) => agent,
  referer: ({ referer }) => referer,
  method: ({ method }) => method,
  path: ({ target }) => target.replace(/\?.*/s, ""),
  target: ({ target }) => target,
  status: ({ status }) => String(status ?? ""),
} as const satisfies Record<string, (record: AccessRecord) => string | null>;

export type LogField = keyof typeof FIELDS;
export const LOG_FIELDS = Object.keys(FIELDS);

export interface CheckMapping {
  /** Fixed names: the log runs once for each, interleaved. Or the field that holds the tenant. */
  readonly tenant: readonly string[] | LogField;
  readonly key: LogField;
  readonly user: LogField | null;
}

/** A check that a logged request stands for. */
export interface LoggedCheck {
  /** When the log says the request came. */
  readonly atUs: Micros;
  readonly tenant: string;
  readonly key: string;
  readonly user: string | null;
}

export function isLogField(text: string): text is LogField {
  return Object.hasOwn(FIELDS, text);
}

export function checksOf(record: AccessRecord, mapping: CheckMapping): LoggedCheck[] {
  const key = fieldOf(record, mapping.key);
  const user = mapping.user === null ? null : fieldOf(record, mapping.user);
  const tenants = typeof mapping.tenant === "string" ? [fieldOf(record, mapping.tenant)] : mapping.tenant;
  return tenants.map((tenant) => ({ atUs: record.atUs, tenant, key, user }));
}

/** Never empty: a field that is absent is `-`, as logs write it. */
function fieldOf(record: AccessRecord, field: LogField): string {
  return FIELDS[field](record) || "-";
}
