-- debt, units ─▶ debt: writes what is owed now, for as long as it lasts. More than 2^52 is forgiven: sums with a whole
-- capacity (2^51) stay below 2^53.
debt = math.max(0, math.min(debt + units * interval, 4503599627370496))
local kept_us = debt / ticks_per_us
--- @include "lifetime"
redis.call('SET', key, struct.pack('>ddd', now_us, debt, interval), 'PX', ttl_ms)
