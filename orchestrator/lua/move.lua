-- Moves one run to another state if that is allowed, the token is the current one and the worker is free.
-- ARGV: run id, target state, allowed sources ("a,b"), token that the caller holds ("" for none),
--       worker to bind ("" for none), then (field, value) pairs to set.
-- A cancelled attempt finds the order to stop under its control key.
-- Answers "ok", or "unknown", "fenced", "busy" or the state that forbids the move.
local key = 'hdsmlm:run:' .. ARGV[1]
local target, token, worker = ARGV[2], ARGV[4], ARGV[5]
local state = redis.call('HGET', key, 'state')
if not state then return 'unknown' end
if token ~= '' and redis.call('HGET', key, 'token') ~= token then return 'fenced' end
if not string.find(',' .. ARGV[3] .. ',', ',' .. state .. ',', 1, true) then return state end

if worker ~= '' then
  local worker_key = 'hdsmlm:worker:' .. worker
  if redis.call('HGET', worker_key, 'state') ~= 'idle' then return 'busy' end
  redis.call('HSET', worker_key, 'state', 'busy', 'run_id', ARGV[1])
elseif target ~= 'running' then
  local held_by = redis.call('HGET', key, 'worker')
  local worker_key = 'hdsmlm:worker:' .. (held_by or '')
  if held_by and redis.call('HGET', worker_key, 'run_id') == ARGV[1] then
    redis.call('HDEL', worker_key, 'run_id', 'delivered')
    if redis.call('HGET', worker_key, 'state') == 'busy' then
      redis.call('HSET', worker_key, 'state', 'idle', 'idle_since', redis.call('TIME')[1])
    end
  end
  local given_up = redis.call('HGET', key, 'token')
  if target == 'cancelled' and given_up then
    redis.call('SET', 'hdsmlm:control:' .. ARGV[1] .. ':' .. given_up, 'cancel', 'EX', 86400)
  end
  redis.call('HDEL', key, 'worker', 'token')
end

redis.call('HSET', key, 'state', target)
for i = 6, #ARGV, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end

local sweep = 'hdsmlm:sweep:' .. redis.call('HGET', key, 'sweep') .. ':'
redis.call('ZREM', sweep .. state, ARGV[1])
redis.call('ZADD', sweep .. target, redis.call('HGET', key, 'position'), ARGV[1])
if target ~= 'assigned' and target ~= 'running' then redis.call('SADD', 'hdsmlm:unsettled', ARGV[1]) end
return 'ok'
