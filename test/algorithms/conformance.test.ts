import { runLimiterConformance } from "../conformance/limiter.ts";
import { NamedLimiter } from "./named-limiter.ts";

runLimiterConformance({ name: "key table", newLimiter: (params) => new NamedLimiter(params) });
