/** `--only a,b`: some of what has a name, each once, in the order asked for. */
import { nearestName } from "../admission/nearest-name.ts";
import { invalidArgument } from "../core/errors.ts";

/** @throws ParlError PARL_INVALID_ARGUMENT naming what is not there, and what was meant or there is */
export function onlyNamed<T extends { readonly name: string }>(text: string, all: readonly T[]): T[] {
  const names = all.map(({ name }) => name);
  return [...new Set(text.split(","))].map((asked) => {
    const found = all.find(({ name }) => name === asked);
    if (found !== undefined) return found;
    const meant = nearestName(asked, names);
    const rule = meant === undefined ? `among ${names.join(", ")}` : `a name there is, perhaps ${meant}`;
    throw invalidArgument("--only", rule, asked);
  });
}
