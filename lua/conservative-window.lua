--[[
Conservative window: the current sub-window of W/n and the n before it count in full, so never more than L in any W.

  admit(c)  <=>  sum of n + 1 sub-windows + c <= L

State: doubles, as they are: last_us, the moment of the last charge, then the count of its sub-window, of the one
before, and so on up to the oldest that is not zero.
Twin: algorithms/conservative-window.ts. Oracle: bench/oracle.ts.

Keys
  one or more; each is decided by itself, in order. On a Cluster all of one call are in one hash slot.

Arguments
  mode           check|report|refund  ask; charge what has happened, over the limit as debt; take the newest units back
  capacity       0..2147483647        units per window
  sub_window_us  1..2^45              microseconds: W / n, rounded up
  sub_windows    1..64                n
  ttl_min_ms     1..2^42              milliseconds that a key is kept at least

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

-- By age (1 the current one), and how many there are.
local counts, length = { 0 }, 1
local state = redis.call('GET', key)
if state then
  local held = #state / 8 - 1
  local values = { struct.unpack('>' .. string.rep('d', held + 1), state) }
  now_us = math.max(now_us, values[1])
  local passed = math.floor(now_us / sub_window_us) - math.floor(values[1] / sub_window_us)
  for age = 1, math.min(sub_windows + 1, held + passed) do
    counts[age] = age > passed and values[age - passed + 1] or 0
    if counts[age] > 0 then
      length = age
    end
  end
end
local elapsed_us = now_us % sub_window_us

local units = cost
if mode == 'refund' then
  for age = 1, length do
    local taken = math.min(units, counts[age])
    counts[age] = counts[age] - taken
    units = units - taken
  end
  -- So many were there.
  units = units - cost
  cost = 0
end
local total, newest = 0, 0
for age = length, 1, -1 do
  total = total + counts[age]
  if counts[age] > 0 then
    newest = age
  end
end

local is_refused = mode == 'check' and cost > 0 and total + cost > capacity
local retry_after_us = 0
if is_refused and cost <= capacity then
  -- The sub-window of this age leaves when so many have begun after the current one.
  local steps, counting = 0, total
  for age = length, 1, -1 do
    steps = sub_windows + 2 - age
    counting = counting - counts[age]
    if counting + cost <= capacity then
      break
    end
  end
  retry_after_us = steps * sub_window_us - elapsed_us
elseif units ~= 0 and not is_refused then
  -- More than 2^32 is forgiven.
  local added = math.min(cost, 4294967295 - counts[1])
  if added > 0 then
    counts[1] = counts[1] + added
    total = total + added
    newest = 1
  end
  local kept_us = (sub_windows + 1) * sub_window_us - elapsed_us
  --- @include "lifetime"
  local written = struct.pack('>' .. string.rep('d', length + 1), now_us, unpack(counts, 1, length))
  redis.call('SET', key, written, 'PX', ttl_ms)
end

local remaining = math.max(0, capacity - total)
local reset_after_us = total > 0 and (sub_windows + 2 - newest) * sub_window_us - elapsed_us or 0
--- @include "verdict"
