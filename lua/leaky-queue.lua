--[[
Leaky bucket as a queue: requests leave it one T apart and are told how long to wait; a full queue denies.

  admit(c)  <=>  backlog + c <= B      delay = backlog      then  backlog = backlog + c

State: the backlog in ticks of service (includes/debt.lua). Nothing is held back here: the caller does the waiting.
Source: Turner, New directions in communications, 1986. Twin: algorithms/leaky-queue.ts. Oracle: bench/oracle.ts.

Keys
  one or more; each is decided by itself, in order. On a Cluster all of one call are in one hash slot.

Arguments
  mode          check|report|refund   ask; charge what has happened, over the limit as debt; take the newest units back
  capacity      0..2147483647         units: the most a key can hold
  interval      1..2^45               ticks: what one unit is worth; capacity * interval <= 2^51
  ticks_per_us  1..2147483647         ticks in a microsecond, so that T = interval / ticks_per_us is exact
  ttl_min_ms    1..2^42               milliseconds that a key is kept at least

Arguments per key
  now_us        0..2^52               microseconds since 1970 by the caller's clock; 0: by this server's
  cost          0..2147483647         units asked for, used or given back; 0 peeks and writes nothing

Returns per key, as one line of text
  outcome         0..2                0 allowed, 1 denied, 2 unsatisfiable: more than a key can hold
  remaining       0..2147483647       units that could be asked for now, after this decision
  retry_after_us  -1..2^53            microseconds until the cost fits, exactly; -1 never, 0 it did
  reset_after_us  0..2^53             microseconds until the key is as good as new
  delay_us        0..2^53             microseconds that an allowed request waits for its turn

Errors
  PARL_INVALID_ARGUMENT               an argument per key is out of range; keys before it have been decided
  OOM, READONLY, WRONGTYPE, ...       Redis' own, before anything of the key at hand is written
]]
--- @arguments
--- @within "each-key"
--- @include "debt"
--- @include "debt-change"

local places = capacity * interval - debt
local work = cost * interval
local is_refused = mode == 'check' and cost > 0 and work > places
local retry_after_us = is_refused and math.ceil((work - places) / ticks_per_us)
local delay_us = is_refused and 0 or math.ceil(debt / ticks_per_us)
if units ~= 0 and not is_refused then
  --- @include "debt-write"
  places = capacity * interval - debt
end
local remaining = math.max(0, math.floor(places / interval))
local reset_after_us = math.ceil(debt / ticks_per_us)
--- @include "verdict"
-- Told of usage it answers as to a peek, which has all that is owed before it.
line = line .. string.format(' %.0f', mode == 'check' and delay_us or reset_after_us)
