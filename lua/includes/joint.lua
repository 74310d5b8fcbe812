-- A check under several policies, each with a key of its own: all of them are charged, or none.
--
--   look     what is left under each?                         writes nothing
--   ask      those that have less than the cost, how long?    a refusal writes nothing
--   charge   all, if none of them refused
--
-- A script is one step, so nobody comes between. What Redis refuses, it refuses before the first write: a key of
-- another kind when it is looked at, a full memory or a replica at that write, and none of them later on.
--
-- With an id the last key is where the answer is kept, once something was charged: who asks again hears that answer.
--
-- Before this comes `scripts`: by algorithm, how many numbers its policy has, and its decision for one key.

local given, place = ARGV, 0
local function take()
  place = place + 1
  return given[place]
end

-- `what` says what is asked under an id, '' that there is none.
local mode, now_us, cost, what = take(), take(), take(), take()
local keys, length = KEYS, #KEYS
local kept
if what ~= '' then
  kept = keys[length]
  length = length - 1
  local before = redis.call('GET', kept)
  if before then
    return 'again ' .. before
  end
end

-- One moment for all of them.
if now_us == '0' then
  local time = redis.call('TIME')
  now_us = string.format('%.0f', time[1] * 1000000 + time[2])
end

local asked = {}
for i = 1, length do
  local script = scripts[take()]
  local numbers = {}
  for n = 1, script.numbers do
    numbers[n] = take()
  end
  asked[i] = { decide = script.decide, numbers = numbers }
end

local function ask(i, mode, cost)
  return asked[i].decide(keys[i], mode, now_us, cost, asked[i].numbers)
end

local function is_short(line)
  return tonumber(string.match(line, '^0 ([0-9]+)')) < tonumber(cost)
end

local lines = {}
local is_refused = false
-- A single key looks for itself.
if length > 1 then
  for i = 1, length do
    lines[i] = ask(i, 'check', '0')
  end
  for i = 1, length do
    if mode == 'check' and is_short(lines[i]) then
      lines[i] = ask(i, 'check', cost)
      is_refused = true
    end
  end
end
if not is_refused then
  for i = 1, length do
    lines[i] = ask(i, mode, cost)
    is_refused = is_refused or string.sub(lines[i], 1, 1) ~= '0'
  end
end
if kept and not is_refused and tonumber(cost) > 0 then
  -- With the names of the keys: the policies may be others by then.
  local rows = {}
  for i = 1, length do
    rows[i] = keys[i] .. ' ' .. lines[i]
  end
  local ttl_ms = '60000'
  redis.call('SET', kept, what .. '\n' .. table.concat(rows, '\n'), 'PX', ttl_ms)
end
return table.concat(lines, '\n')
