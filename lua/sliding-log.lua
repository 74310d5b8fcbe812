--[[
Sliding log: remember every admitted unit for exactly one window. Never more than L in any span of W.

  admit(c)  <=>  sum of costs at moments > now - W, + c <= L

State: a list, so that nothing is copied and a decision reads a few places of it, however long it is:

  sum before the first event, moment, sum after it, moment, sum after it, ...        oldest first

Sums are kept modulo 2^52, for they only ever grow; a difference of two is what happened between them. Events of
one microsecond share a place. About 16 bytes an event.
Twin: algorithms/sliding-log.ts. Oracle: bench/oracle.ts.

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
--- @include "first-index"

local SUM_MODULUS = 4503599627370496

local function whole(value)
  return string.format('%.0f', value)
end

local function number_at(key, place)
  return tonumber(redis.call('LINDEX', key, whole(place)))
end

--- @within "each-key"

local newest = redis.call('LRANGE', key, -3, -1)
local last_us, sum = tonumber(newest[2]), tonumber(newest[3])
if last_us then
  now_us = math.max(now_us, last_us)
end
local horizon_us = now_us - window_us
local has_log = last_us ~= nil and last_us > horizon_us

-- The first event that is inside the window, and the sum before it.
local first, events, base, total = 0, 0, 0, 0
if has_log then
  local oldest = redis.call('LRANGE', key, 0, 1)
  base = tonumber(oldest[1])
  events = (redis.call('LLEN', key) - 1) / 2
  if tonumber(oldest[2]) <= horizon_us then
    first = first_index(1, events - 1, function(index)
      return number_at(key, 2 * index + 1) > horizon_us
    end)
    base = number_at(key, 2 * first)
  end
  total = (sum - base) % SUM_MODULUS
end

if mode == 'refund' then
  local left = math.max(0, total - cost)
  if left == 0 and total > 0 then
    redis.call('DEL', key)
  elseif left < total then
    -- The event in which what is left is full.
    local last = first_index(first, events - 1, function(index)
      return (number_at(key, 2 * index + 2) - base) % SUM_MODULUS >= left
    end)
    redis.call('LSET', key, whole(2 * last + 2), whole((base + left) % SUM_MODULUS))
    redis.call('LTRIM', key, whole(2 * first), whole(2 * last + 2))
    last_us = number_at(key, 2 * (last - first) + 1)
  end
  total = left
  cost = 0
end

local is_refused = mode == 'check' and cost > 0 and total + cost > capacity
local retry_after_us = 0
if is_refused and cost <= capacity then
  local excess = total + cost - capacity
  local leaves = first_index(first, events - 1, function(index)
    return (number_at(key, 2 * index + 2) - base) % SUM_MODULUS >= excess
  end)
  retry_after_us = number_at(key, 2 * leaves + 1) - horizon_us
elseif cost > 0 and not is_refused then
  -- More than 2^51 is forgiven, and 2^32 in one microsecond.
  local added = math.min(cost, SUM_MODULUS / 2 - total)
  if not has_log then
    redis.call('DEL', key)
    redis.call('RPUSH', key, '0', whole(now_us), whole(added))
  elseif last_us < now_us then
    redis.call('RPUSH', key, whole(now_us), whole((sum + added) % SUM_MODULUS))
  else
    local event = (sum - tonumber(newest[1])) % SUM_MODULUS
    added = math.min(added, 4294967295 - event)
    redis.call('LSET', key, -1, whole((sum + added) % SUM_MODULUS))
  end
  if first > 0 then
    redis.call('LTRIM', key, whole(2 * first), -1)
  end
  local kept_us = window_us
  --- @include "lifetime"
  redis.call('PEXPIRE', key, ttl_ms)
  total = total + added
  last_us = now_us
end

local remaining = math.max(0, capacity - total)
local reset_after_us = total > 0 and last_us - horizon_us or 0
--- @include "verdict"
