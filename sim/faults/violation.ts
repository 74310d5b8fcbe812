/** A promise that a run broke. */
export interface Violation {
  readonly check:
    | "bound"
    | "conservation"
    | "exhausted"
    | "under-admission"
    | "single-owner"
    | "liveness"
    | "resources"
    | "hygiene";
  readonly subject: string;
  readonly message: string;
}
