-- kept_us ─▶ ttl_ms: how long a key is kept, as PX takes it, in whole milliseconds. The header says that it is never 0,
-- which would be an error or delete the key.
local ttl_ms = string.format('%.0f', math.max(ttl_min_ms, math.ceil(kept_us / 1000)))
