/**
 * The query of `GET /allow` as fields. Stricter than URLSearchParams, which lets broken escapes through and
 * picks the first of two equal names: a caller who misspells a parameter must not be limited as somebody else.
 */
import { nearestName } from "../admission/nearest-name.ts";
import { ParlError, shown } from "../core/errors.ts";

const PARAMETERS = ["key", "tenant", "user", "tokens", "tier", "id"];

/** @param query without its question mark. @throws ParlError naming the parameter */
export function parseQuery(query: string): Map<string, unknown> {
  const fields = new Map<string, unknown>();
  if (query === "") return fields;
  for (const part of query.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const name = decoded(equals < 0 ? part : part.slice(0, equals), "query");
    if (!PARAMETERS.includes(name)) throw unknownParameter(name);
    if (fields.has(name)) throw invalid(name, `${name} is given twice; send it once`);
    const value = equals < 0 ? "" : decoded(part.slice(equals + 1), name);
    fields.set(name, name === "tokens" ? numberOrText(value) : value);
  }
  return fields;
}

function decoded(text: string, field: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw invalid(field, `${field} is not percent-encoded UTF-8: ${shown(text)}; write % itself as %25`);
  }
}

/** What is no plain number stays text and is refused as what it is. */
function numberOrText(text: string): number | string {
  return /^\d{1,16}$/.test(text) ? Number(text) : text;
}

function unknownParameter(name: string): ParlError {
  const nearest = nearestName(name, PARAMETERS);
  const hint = nearest === undefined ? `there are ${PARAMETERS.join(", ")}` : `did you mean ${nearest}?`;
  return invalid(name, `there is no parameter ${shown(name)}; ${hint}`);
}

function invalid(field: string, message: string): ParlError {
  return new ParlError("PARL_INVALID_ARGUMENT", message, { field });
}
