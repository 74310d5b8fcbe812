/**
 * The gateway's policy file, watched: what is in force, and why the file on disk is not, if it is not.
 */
import { loadPolicyFile, watchPolicyFile, type PolicyFileWatch } from "../actors/policy-file.ts";
import type { PolicyDocument } from "../admission/policy.ts";
import { PoliciesInForce } from "./policies-in-force.ts";

export interface PolicySourceOptions {
  /** Told, in a sentence, what an operator should know. */
  readonly log: (line: string) => void;
  /** What the backend asks of policies beyond the file's own rules. @throws PolicyFileError */
  readonly require: (document: PolicyDocument, source: string) => void;
}

export class PolicySource {
  readonly inForce: PoliciesInForce;
  reloadsOk = 0;
  reloadsFailed = 0;
  readonly #path: string;
  readonly #options: PolicySourceOptions;
  readonly #watch: PolicyFileWatch;
  #error: Error | undefined;

  /** @throws PolicyFileError when the file is broken from the start: there is no last good one then */
  static async open(path: string, options: PolicySourceOptions): Promise<PolicySource> {
    return new PolicySource(path, await loadPolicyFile(path), options);
  }

  private constructor(path: string, document: PolicyDocument, options: PolicySourceOptions) {
    options.require(document, path);
    this.inForce = new PoliciesInForce(document);
    this.#path = path;
    this.#options = options;
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
    this.#options.require(document, this.#path);
    this.inForce.adopt(document);
    this.#error = undefined;
    this.reloadsOk += 1;
    this.#options.log(`the policy file was read again: ${document.policies.length} policies in force`);
  }

  #keep(error: Error): void {
    this.#error = error;
    this.reloadsFailed += 1;
    this.#options.log(`the last good policies stay in force: ${error.message}`);
  }
}
