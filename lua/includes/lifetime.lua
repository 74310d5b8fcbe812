-- How long a key is kept, as PX takes it: whole milliseconds, never 0, which would be an error or delete it.
local function lifetime_ms(us, ttl_min_ms)
  return string.format('%.0f', math.max(1, ttl_min_ms, math.ceil(us / 1000)))
end
