-- Tells the queue of a sweep by groups, after runs whose back-off is over have joined it.
-- ARGV: sweep, time now, most runs to name in each group.
-- Answers, for each group that has any: its record, how many there are, since when none was served,
-- and the first runs with their places.
for _, run_id in ipairs(redis.call('ZRANGEBYSCORE', 'hdsmlm:delayed', '-inf', ARGV[2], 'LIMIT', 0, 1000)) do
  local key = 'hdsmlm:run:' .. run_id
  local run = redis.call('HMGET', key, 'state', 'sweep', 'group', 'position')
  redis.call('ZREM', 'hdsmlm:delayed', run_id)
  if run[1] == 'queued' then
    join('hdsmlm:sweep:' .. run[2], run[3], run[4], run_id, ARGV[2])
  end
end

local sweep = 'hdsmlm:sweep:' .. ARGV[1]
local answer = {}
local groups = redis.call('HGETALL', sweep .. ':groups')
for i = 1, #groups, 2 do
  local queue = sweep .. ':queue:' .. groups[i]
  local count = redis.call('ZCARD', queue)
  if count > 0 then
    answer[#answer + 1] = {groups[i + 1], count, redis.call('HGET', sweep .. ':served', groups[i]) or ARGV[2],
                           redis.call('ZRANGE', queue, 0, ARGV[3] - 1, 'WITHSCORES')}
  end
end
return answer
