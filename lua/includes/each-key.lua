-- Decides for every key of the call, in order: what includes this goes on at @rest, once a key. It is told the key,
-- now_us and cost, and puts its answer into `line`.
--
-- All this is text put in its place and no function: a script makes its functions anew in every call.

-- A single answer needs no list.
local lines = #KEYS ~= 1 and {}
local server_us
for i = 1, #KEYS do
  local key = KEYS[i]
  --- @arguments-per-key i
  local at_us, amount = tonumber(now_us), tonumber(cost)
  -- Compared this way round, so that NaN fails too. 2^52 is in the year 2112.
  if not (at_us and at_us >= 0 and at_us <= 4503599627370496 and at_us % 1 == 0) then
    local rule = 'now_us must be whole microseconds from 0 to 2^52, got '
    error({ err = 'PARL_INVALID_ARGUMENT ' .. rule .. (now_us or 'nothing') })
  end
  if not (amount and amount >= 0 and amount <= 2147483647 and amount % 1 == 0) then
    local rule = 'cost must be a whole number from 0 to 2147483647, got '
    error({ err = 'PARL_INVALID_ARGUMENT ' .. rule .. (cost or 'nothing') })
  end
  if at_us == 0 then
    -- This server's clock, read once a call.
    if not server_us then
      local time = redis.call('TIME')
      server_us = time[1] * 1000000 + time[2]
    end
    at_us = server_us
  end
  now_us, cost = at_us, amount
  local line
  --- @rest
  if not lines then
    return line
  end
  lines[i] = line
end
return table.concat(lines, '\n')
