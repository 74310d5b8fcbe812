/** One thing `parl doctor` looked at. */
export interface Finding {
  readonly subject: string;
  readonly isGood: boolean;
  readonly detail: string;
}

/** Good with what `look` answers, wrong with what it throws. */
export async function finding(subject: string, look: () => string | Promise<string>): Promise<Finding> {
  try {
    return { subject, isGood: true, detail: await look() };
  } catch (error) {
    return { subject, isGood: false, detail: error instanceof Error ? error.message : String(error) };
  }
}
