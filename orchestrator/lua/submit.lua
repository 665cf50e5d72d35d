-- Creates each run that is not known yet, in state queued; tells the state that every run had before.
-- How many were new is told in the stream of events.
-- ARGV: sweep, time now, then (run id, place in the queue, group, signature, spec) for each run.
local answer, new = {}, 0
local sweep = 'hdsmlm:sweep:' .. ARGV[1]
for i = 3, #ARGV, 5 do
  local run_id, position, group = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local key = 'hdsmlm:run:' .. run_id
  local known = redis.call('HGET', key, 'state')
  if known then
    answer[#answer + 1] = known
  else
    redis.call('HSET', key, 'state', 'queued', 'sweep', ARGV[1], 'position', position,
               'group', group, 'signature', ARGV[i + 3], 'spec', ARGV[i + 4])
    redis.call('ZADD', sweep .. ':queued', position, run_id)
    join(sweep, group, position, run_id, ARGV[2])
    answer[#answer + 1], new = 'new', new + 1
  end
end
if new > 0 then
  redis.call('XADD', 'hdsmlm:events', 'MAXLEN', '~', 10000, '*', 'kind', 'sweep', 'sweep', ARGV[1], 'new', new)
end
return answer
