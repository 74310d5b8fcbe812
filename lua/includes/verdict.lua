-- One decision as text: outcome, remaining, retry_after_us, reset_after_us. Never tostring: it rounds to 14 digits.

local function allowed(remaining, reset_after_us)
  return string.format('0 %.0f 0 %.0f', remaining, reset_after_us)
end

-- A cost beyond the capacity is refused for ever: no wait is told.
local function refused(cost, capacity, remaining, retry_after_us, reset_after_us)
  if cost > capacity then
    return string.format('2 %.0f -1 %.0f', remaining, reset_after_us)
  end
  return string.format('1 %.0f %.0f %.0f', remaining, retry_after_us, reset_after_us)
end
