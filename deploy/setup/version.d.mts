export function findVersion(text: string): string | undefined;
export function isAtLeast(version: string, minimum: string): boolean;
