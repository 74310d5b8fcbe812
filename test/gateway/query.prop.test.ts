import * as fc from "fast-check";
import { expect, it } from "vitest";
import { ParlError } from "../../core/errors.ts";
import { parseQuery } from "../../gateway/query.ts";

const NAMES = ["key", "tenant", "user", "tier", "id"];
const anyText = fc.string({ unit: "binary" });

it("reads back whatever a browser or URLSearchParams writes", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...NAMES), anyText), (fields) => {
      const byForm = new URLSearchParams(fields).toString();
      const byComponent = Object.entries(fields)
        .map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`)
        .join("&");
      const wellFormed = Object.entries(fields).map(([name, value]) => [name, value.toWellFormed()]);
      expect(Object.fromEntries(parseQuery(byForm))).toEqual(Object.fromEntries(wellFormed));
      expect(Object.fromEntries(parseQuery(byComponent))).toEqual(Object.fromEntries(wellFormed));
    }),
  );
});

it("throws nothing but errors that name a field, whatever the query", () => {
  const pieces = fc.oneof(
    anyText,
    fc.constantFrom("key=", "%", "&", "=", "%2", "__proto__=", "tokens=", "+"),
  );
  fc.assert(
    fc.property(fc.array(pieces), (parts) => {
      try {
        parseQuery(parts.join(""));
      } catch (error) {
        expect(error).toBeInstanceOf(ParlError);
        expect((error as ParlError).field).toBeDefined();
      }
    }),
  );
});
