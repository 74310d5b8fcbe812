-- mode, cost, debt ─▶ units: how many more are owed after this, unless it is refused; the newest that are taken back
-- are below 0.
local units = cost
if mode == 'refund' then
  units = -math.min(cost, math.ceil(debt / interval))
elseif mode == 'report' then
  -- A key owes at most two capacities, what is in use and once as much in debt; whole units.
  local owed_max = math.min(2 * capacity, 2147483647)
  local owed_now = math.ceil(math.ceil(debt / ticks_per_us) * ticks_per_us / interval)
  units = math.min(cost, math.max(0, owed_max - owed_now))
end
