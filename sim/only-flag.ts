/** `--only a,b`: some of what has a name, in the order asked for. */
import { nearestName } from "../admission/nearest-name.ts";
import { ParlError } from "../core/errors.ts";

/** @throws ParlError PARL_INVALID_ARGUMENT naming what is not there, and what was meant or there is */
export function onlyNamed<T extends { readonly name: string }>(text: string, all: readonly T[]): T[] {
  const names = all.map(({ name }) => name);
  return [...new Set(text.split(","))].map((asked) => {
    const found = all.find(({ name }) => name === asked);
    if (found !== undefined) return found;
    const meant = nearestName(asked, names);
    const hint = meant === undefined ? `there are ${names.join(", ")}` : `did you mean ${meant}?`;
    throw new ParlError("PARL_INVALID_ARGUMENT", `--only knows no "${asked}"; ${hint}`, { field: "--only" });
  });
}
