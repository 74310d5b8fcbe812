--[[
Sliding-window counter: this window's count plus the share of the previous one that still overlaps.

  admit(c)  <=>  current + c + previous * (1 - elapsed/W) <= L        multiplied out by W, hence exact

Worst case: up to 2*L in a span of W. The caller keeps capacity * window_us <= 2^53.
State: three doubles, as they are: last_us, the moment of the last charge, the count of its window and of the one
before.
Source: Cloudflare, Counting things, 2017. Twin: algorithms/sliding-window.ts. Oracle: bench/oracle.ts.

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

local current, previous = 0, 0
local state = redis.call('GET', key)
if state then
  local last_us, counted, before = struct.unpack('>ddd', state)
  now_us = math.max(now_us, last_us)
  local passed = math.floor(now_us / window_us) - math.floor(last_us / window_us)
  if passed == 0 then
    current, previous = counted, before
  elseif passed == 1 then
    previous = counted
  end
end
local units = cost
if mode == 'refund' then
  local newest = math.min(cost, current)
  local older = math.min(cost - newest, previous)
  current, previous = current - newest, previous - older
  units = -newest - older
  cost = 0
end

local elapsed_us = now_us % window_us
-- In units times microseconds. A weight beyond 2^53 is inexact, but then it is beyond any room as well.
local weight = previous * (window_us - elapsed_us)
local is_refused = mode == 'check' and cost > 0 and (capacity - current - cost) * window_us < weight
local retry_after_us = 0
if is_refused and cost <= capacity then
  -- The count of a finished window fades into the room for it so long after that window's end.
  local count, room, end_us = previous, capacity - cost - current, 0
  if room < 0 then
    count, room, end_us = current, capacity - cost, window_us
  end
  retry_after_us = end_us + window_us - math.floor(room * window_us / count) - elapsed_us
elseif units ~= 0 and not is_refused then
  -- More than 2^32 is forgiven.
  current = math.min(current + cost, 4294967295)
  local kept_us = 2 * window_us - elapsed_us
  --- @include "lifetime"
  redis.call('SET', key, struct.pack('>ddd', now_us, current, previous), 'PX', ttl_ms)
end

local remaining = math.max(0, math.floor(((capacity - current) * window_us - weight) / window_us))
local reset_after_us = 0
if current > 0 then
  reset_after_us = 2 * window_us - elapsed_us
elseif previous > 0 then
  reset_after_us = window_us - elapsed_us
end
--- @include "verdict"
