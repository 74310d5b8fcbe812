/**
 * In CI every property runs the same cases, so that a build is green or red for what it contains; elsewhere
 * each run draws new ones, and a failure prints the seed that repeats it.
 */
import * as fc from "fast-check";

if (process.env["CI"] !== undefined) fc.configureGlobal({ seed: 20_261_122 });
