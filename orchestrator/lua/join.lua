-- Prefixed to the other scripts. A run joins the line of its group; a line that was empty begins to wait.
local function join(sweep, group, position, run_id, now)
  local queue = sweep .. ':queue:' .. group
  if redis.call('EXISTS', queue) == 0 then redis.call('HSET', sweep .. ':served', group, now) end
  redis.call('ZADD', queue, position, run_id)
end
