export const REDIS_CELL_VERSION: string;

export interface ModuleSearch {
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export function obtainRedisCell(
  host: ModuleSearch,
): Promise<
  { readonly path: string; readonly reason?: never } | { readonly path?: never; readonly reason: string }
>;
