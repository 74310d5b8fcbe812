-- What a key owes, and how it wears off: the state that all bucket algorithms have in common.
--
-- One unit is worth `interval` ticks, and `ticks_per_us` of them wear off every microsecond. Both are whole, in
-- lowest terms, so that every rate is exact. State: three doubles, as they are.
--
--   last_us    when the key was last charged; no decision is made for an earlier moment
--   debt       in ticks, at last_us
--   interval   what a unit was worth then
--
--- @include "lifetime"

-- More is forgiven: sums with a whole capacity (2^51) stay below 2^53.
local DEBT_MAX = 4503599627370496

-- Answers the moment to decide for, and what is owed then.
local function owed(key, now_us, interval, ticks_per_us)
  local state = redis.call('GET', key)
  if not state then
    return now_us, 0
  end
  local last_us, debt, interval_then = struct.unpack('>ddd', state)
  if interval_then ~= interval then
    -- The same share of a unit in ticks of this interval, rounded up: a changed limit forgives nothing.
    local whole = math.floor(debt / interval_then)
    local rest = (debt - whole * interval_then) * interval
    local ticks = math.ceil(rest / interval_then)
    if rest > 9007199254740992 then
      ticks = math.min(ticks + 1, interval)
    end
    debt = math.min(whole * interval + ticks, DEBT_MAX)
  end
  if now_us <= last_us then
    return last_us, debt
  end
  return now_us, math.max(0, debt - (now_us - last_us) * ticks_per_us)
end

-- Writes a debt, for as long as it lasts. Answers it.
local function owe(key, now_us, debt, interval, ticks_per_us, ttl_min_ms)
  debt = math.min(debt, DEBT_MAX)
  local ttl_ms = lifetime_ms(debt / ticks_per_us, ttl_min_ms)
  redis.call('SET', key, struct.pack('>ddd', now_us, debt, interval), 'PX', ttl_ms)
  return debt
end

-- Charges usage that was reported, or takes the newest units back. Answers what is owed then.
local function told(mode, key, now_us, debt, units, capacity, interval, ticks_per_us, ttl_min_ms)
  if mode == 'refund' then
    units = -math.min(units, math.ceil(debt / interval))
  else
    -- A key owes at most two capacities, what is in use and once as much in debt; whole units.
    local reset_after_us = math.ceil(debt / ticks_per_us)
    local owed_max = math.min(2 * capacity, 2147483647)
    units = math.min(units, math.max(0, owed_max - math.ceil(reset_after_us * ticks_per_us / interval)))
  end
  if units == 0 then
    return debt
  end
  return owe(key, now_us, math.max(0, debt + units * interval), interval, ticks_per_us, ttl_min_ms)
end
