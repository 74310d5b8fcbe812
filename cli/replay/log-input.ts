/**
 * The file a replay is given: an access log, or the recording of an earlier replay, told apart by their
 * first byte. Both are read in one pass, as a stream.
 */
import { createHash } from "node:crypto";
import { ParlError } from "../../core/errors.ts";
import type { CheckMapping } from "../../sim/check-mapping.ts";
import { DecisionLogReader, type DecisionLog } from "../../sim/decision-log.ts";
import { LoggedTrafficReader, type LoggedTraffic } from "../../sim/logged-traffic.ts";
import { readLogFile } from "./log-file.ts";

export type LogInput =
  | { readonly kind: "access log"; readonly traffic: LoggedTraffic; readonly sha256: string }
  | { readonly kind: "decision log"; readonly log: DecisionLog };

export interface LogInputOptions {
  readonly file: string;
  readonly mapping: CheckMapping;
  readonly requestsMax: number;
}

const OPENING_BRACE = 0x7b;

export async function readLogInput(options: LogInputOptions, signal: AbortSignal): Promise<LogInput> {
  const decisions = new DecisionLogReader();
  const traffic = new LoggedTrafficReader(options.mapping, options.requestsMax);
  const hash = createHash("sha256");
  let isRecording: boolean | undefined;
  await readLogFile(options.file, signal, (chunk) => {
    isRecording ??= chunk[0] === OPENING_BRACE;
    if (isRecording) {
      decisions.push(chunk);
    } else {
      hash.update(chunk);
      traffic.push(chunk);
    }
  });
  if (isRecording) return { kind: "decision log", log: decisions.end() };
  return {
    kind: "access log",
    traffic: someTraffic(traffic.end(), options.file),
    sha256: hash.digest("hex"),
  };
}

function someTraffic(traffic: LoggedTraffic, file: string): LoggedTraffic {
  if (traffic.requests > 0) return traffic;
  const [odd] = traffic.oddExamples;
  const reason = odd === undefined ? "it is empty" : `line ${odd.line} is ${odd.reason}`;
  throw new ParlError(
    "PARL_INVALID_FILE",
    `${file} holds no request in Common or Combined Log Format: ${reason}`,
  );
}
