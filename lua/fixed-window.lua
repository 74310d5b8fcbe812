--[[
Fixed window: count what passes in each window of the clock, start again at zero in the next.

  admit(c)  <=>  count + c <= L        windows [k*W, (k+1)*W) since 1970

State: two doubles, as they are: last_us, the moment of the last charge, and the count of its window.
Twin: algorithms/fixed-window.ts. Oracle: bench/oracle.ts.

Keys
  one or more; each is decided by itself, in order. On a Cluster all of one call are in one hash slot.

Arguments
  mode          check|report|refund   ask; charge what has happened, over the limit as debt; take the newest units back
  capacity      0..2147483647         units per window
  window_us     1000..2^45            microseconds
  ttl_min_ms    1..2^42               milliseconds that a key is kept at least

Arguments per key
  now_us        0..2^52               microseconds since 1970 by the caller's clock; 0: by this server's
  cost          0..2147483647         units asked for, used or given back; 0 peeks and writes nothing

Returns per key, as one line of text
  outcome         0..2                0 allowed, 1 denied, 2 unsatisfiable: more than a key can hold
  remaining       0..2147483647       units that could be asked for now, after this decision
  retry_after_us  -1..2^53            microseconds until the cost fits, exactly; -1 never, 0 it did
  reset_after_us  0..2^53             microseconds until the key is as good as new

Errors
  PARL_INVALID_ARGUMENT               an argument per key is out of range; keys before it have been decided
  OOM, READONLY, WRONGTYPE, ...       Redis' own, before anything of the key at hand is written
]]
--- @arguments
--- @within "each-key"

local count = 0
local state = redis.call('GET', key)
if state then
  local last_us, counted = struct.unpack('>dd', state)
  now_us = math.max(now_us, last_us)
  if math.floor(last_us / window_us) == math.floor(now_us / window_us) then
    count = counted
  end
end
local retry_after_us = window_us - now_us % window_us
local is_refused = mode == 'check' and cost > 0 and count + cost > capacity
local units = mode == 'refund' and -math.min(cost, count) or cost
if units ~= 0 and not is_refused then
  -- More than 2^32 is forgiven.
  count = math.min(count + units, 4294967295)
  local kept_us = retry_after_us
  --- @include "lifetime"
  redis.call('SET', key, struct.pack('>dd', now_us, count), 'PX', ttl_ms)
end
local remaining = math.max(0, capacity - count)
local reset_after_us = count > 0 and retry_after_us or 0
--- @include "verdict"
