-- Decides for every key of the call, in order, and answers a line for each. A function is made anew in every call of a
-- script, and costs as much as a line or two: here there are few.

local function each_key(decide)
  local lines = {}
  local server_us
  for i = 1, #KEYS do
    --- @arguments-per-key i
    local moment_us, units = tonumber(now_us), tonumber(cost)
    -- Compared this way round, so that NaN fails too. 2^52 is in the year 2112.
    if not (moment_us and moment_us >= 0 and moment_us <= 4503599627370496 and moment_us % 1 == 0) then
      local rule = 'now_us must be whole microseconds from 0 to 2^52, got '
      error({ err = 'PARL_INVALID_ARGUMENT ' .. rule .. (now_us or 'nothing') })
    end
    if not (units and units >= 0 and units <= 2147483647 and units % 1 == 0) then
      local rule = 'cost must be a whole number from 0 to 2147483647, got '
      error({ err = 'PARL_INVALID_ARGUMENT ' .. rule .. (cost or 'nothing') })
    end
    if moment_us == 0 then
      -- This server's clock, read once a call.
      if not server_us then
        local time = redis.call('TIME')
        server_us = time[1] * 1000000 + time[2]
      end
      moment_us = server_us
    end
    lines[i] = decide(KEYS[i], moment_us, units)
  end
  return table.concat(lines, '\n')
end
