-- key, now_us ─▶ now_us, debt: the moment to decide for, and what a key owes then. The state that all bucket algorithms
-- have in common, and how it wears off.
--
-- One unit is worth `interval` ticks, and `ticks_per_us` of them wear off every microsecond. Both are whole, in
-- lowest terms, so that every rate is exact. State: three doubles, as they are.
--
--   last_us    when the key was last charged; no decision is made for an earlier moment
--   debt       in ticks, at last_us
--   interval   what a unit was worth then
--
local debt = 0
local state = redis.call('GET', key)
if state then
  local last_us, interval_then
  last_us, debt, interval_then = struct.unpack('>ddd', state)
  if interval_then ~= interval then
    -- The same share of a unit in ticks of this interval, rounded up: a changed limit forgives nothing.
    local whole = math.floor(debt / interval_then)
    local rest = (debt - whole * interval_then) * interval
    local ticks = math.ceil(rest / interval_then)
    if rest > 9007199254740992 then
      ticks = math.min(ticks + 1, interval)
    end
    debt = math.min(whole * interval + ticks, 4503599627370496)
  end
  if now_us > last_us then
    debt = math.max(0, debt - (now_us - last_us) * ticks_per_us)
  else
    now_us = last_us
  end
end
