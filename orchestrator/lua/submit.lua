-- Creates each run that is not known yet, in state queued; tells the state that every run had before.
-- ARGV: sweep, then (run id, position, footprint in MiB, spec) for each run.
local answer = {}
for i = 2, #ARGV, 4 do
  local run_id, position = ARGV[i], ARGV[i + 1]
  local key = 'hdsmlm:run:' .. run_id
  local known = redis.call('HGET', key, 'state')
  if known then
    answer[#answer + 1] = known
  else
    redis.call('HSET', key, 'state', 'queued', 'sweep', ARGV[1], 'position', position,
               'footprint_mib', ARGV[i + 2], 'spec', ARGV[i + 3])
    redis.call('ZADD', 'hdsmlm:sweep:' .. ARGV[1] .. ':queued', position, run_id)
    answer[#answer + 1] = 'new'
  end
end
return answer
