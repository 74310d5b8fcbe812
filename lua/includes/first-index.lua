-- The smallest index from `low` on for which `holds`, given that it holds for `high` and for all after the first.
-- Steps double from `low`, because the answer is mostly near: O(log distance).
local function first_index(low, high, holds)
  local step = 1
  local probe = low
  while probe < high and not holds(probe) do
    low = probe + 1
    probe = math.min(probe + step, high)
    step = step * 2
  end
  high = probe
  while low < high do
    local middle = math.floor((low + high) / 2)
    if holds(middle) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end
