/**
 * The gateway's policy file, watched: what is in force, and why the file on disk is not, if it is not.
 */
import { loadPolicyFile, watchPolicyFile, type PolicyFileWatch } from "../actors/policy-file.ts";
import type { PolicyDocument } from "../admission/policy.ts";
import { PoliciesInForce } from "./policies-in-force.ts";

export class PolicySource {
  readonly inForce: PoliciesInForce;
  reloadsOk = 0;
  reloadsFailed = 0;
  readonly #log: (line: string) => void;
  readonly #watch: PolicyFileWatch;
  #error: Error | undefined;

  /** @throws PolicyFileError when the file is broken from the start: there is no last good one then */
  static async open(path: string, log: (line: string) => void): Promise<PolicySource> {
    return new PolicySource(path, await loadPolicyFile(path), log);
  }

  private constructor(path: string, document: PolicyDocument, log: (line: string) => void) {
    this.inForce = new PoliciesInForce(document);
    this.#log = log;
    this.#watch = watchPolicyFile(path, {
      current: document,
      onChange: (changed) => this.#adopt(changed),
      onError: (error) => this.#keep(error),
    });
  }

  /** Why the last good document stays in force; undefined while the file is good. */
  get error(): Error | undefined {
    return this.#error;
  }

  close(): void {
    this.#watch.close();
  }

  #adopt(document: PolicyDocument): void {
    this.inForce.adopt(document);
    this.#error = undefined;
    this.reloadsOk += 1;
    this.#log(`the policy file was read again: ${document.policies.length} policies in force`);
  }

  #keep(error: Error): void {
    this.#error = error;
    this.reloadsFailed += 1;
    this.#log(`the last good policies stay in force: ${error.message}`);
  }
}
