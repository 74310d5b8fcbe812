-- Decides for every key of the call, in order, and answers a line for each.

local function refuse(name, rule, text)
  error({ err = 'PARL_INVALID_ARGUMENT ' .. name .. ' must be ' .. rule .. ', got ' .. (text or 'nothing') })
end

local server_us

-- The moment a decision is made for: the caller's clock, or this server's, which is read once a call.
local function moment(text)
  local now_us = tonumber(text)
  -- Compared this way round, so that NaN fails too. 2^52 is in the year 2112.
  if not (now_us and now_us >= 0 and now_us <= 4503599627370496 and now_us % 1 == 0) then
    refuse('now_us', 'whole microseconds from 0 to 2^52', text)
  end
  if now_us > 0 then
    return now_us
  end
  if not server_us then
    local time = redis.call('TIME')
    server_us = time[1] * 1000000 + time[2]
  end
  return server_us
end

local function units(text)
  local cost = tonumber(text)
  if not (cost and cost >= 0 and cost <= 2147483647 and cost % 1 == 0) then
    refuse('cost', 'a whole number from 0 to 2147483647', text)
  end
  return cost
end

local function each_key(decide)
  local lines = {}
  for i = 1, #KEYS do
    --- @arguments-per-key i
    lines[i] = decide(KEYS[i], moment(now_us), units(cost))
  end
  return table.concat(lines, '\n')
end
