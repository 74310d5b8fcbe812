/** One life of one process: a restarted process has the same id and another incarnation. */
export interface Member {
  /** `[a-z0-9-]{1,32}` */
  readonly id: string;
  /** Random whole number of up to 53 bits. */
  readonly incarnation: number;
}

export function isSameMember(a: Member, b: Member): boolean {
  return a.id === b.id && a.incarnation === b.incarnation;
}
