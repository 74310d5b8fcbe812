-- is_refused, remaining, retry_after_us, reset_after_us ─▶ line: one decision as text. A cost beyond the capacity is
-- refused for ever: no wait is told. Never tostring: it rounds to 14 digits.
if not is_refused then
  line = string.format('0 %.0f 0 %.0f', remaining, reset_after_us)
elseif cost > capacity then
  line = string.format('2 %.0f -1 %.0f', remaining, reset_after_us)
else
  line = string.format('1 %.0f %.0f %.0f', remaining, retry_after_us, reset_after_us)
end
