-- Moves one run to another state if that is allowed, the token is the current one and the worker is free.
-- ARGV: run id, target state, allowed sources ("a,b"), token that the caller holds ("" for none),
--       time now, worker to bind ("" for none) with its lease in MiB, its cap in MiB and whether it is exclusive,
--       then (field, value) pairs to set.
-- A queued run stands in the queue of its group, or, while its back-off lasts, among the delayed ones.
-- An attempt that ends here is counted by its outcome, and every move is told in the stream of events.
-- A cancelled attempt finds the order to stop under its control key.
-- Answers "ok", or "unknown", "fenced", "busy" or the state that forbids the move.
local key = 'hdsmlm:run:' .. ARGV[1]
local target, token, now, worker = ARGV[2], ARGV[4], ARGV[5], ARGV[6]
local state = redis.call('HGET', key, 'state')
if not state then return 'unknown' end
if token ~= '' and redis.call('HGET', key, 'token') ~= token then return 'fenced' end
if not string.find(',' .. ARGV[3] .. ',', ',' .. state .. ',', 1, true) then return state end

if worker ~= '' then
  local worker_key = 'hdsmlm:worker:' .. worker
  if redis.call('HGET', worker_key, 'state') ~= 'idle' then return 'busy' end
  redis.call('HSET', worker_key, 'state', 'busy', 'run_id', ARGV[1], 'assigned_at', now,
             'lease_mib', ARGV[7], 'cap_mib', ARGV[8], 'exclusive', ARGV[9],
             'signature', redis.call('HGET', key, 'signature') or '')
  redis.call('HDEL', worker_key, 'steady', 'settling_since')
  redis.call('HINCRBY', worker_key, 'served', 1)
  redis.call('HINCRBY', key, 'attempts', 1)
elseif target ~= 'running' then
  local held_by = redis.call('HGET', key, 'worker')
  local worker_key = 'hdsmlm:worker:' .. (held_by or '')
  if held_by and redis.call('HGET', worker_key, 'run_id') == ARGV[1] then
    redis.call('HDEL', worker_key, 'run_id', 'delivered', 'steady')
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

local sweep = 'hdsmlm:sweep:' .. redis.call('HGET', key, 'sweep')
if state == 'queued' then
  local group = redis.call('HGET', key, 'group')
  redis.call('ZREM', sweep .. ':queue:' .. group, ARGV[1])
  redis.call('ZREM', 'hdsmlm:delayed', ARGV[1])
  if target == 'assigned' then redis.call('HSET', sweep .. ':served', group, now) end
end

redis.call('HSET', key, 'state', target)
for i = 10, #ARGV, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end

local position = redis.call('HGET', key, 'position')
redis.call('ZREM', sweep .. ':' .. state, ARGV[1])
redis.call('ZADD', sweep .. ':' .. target, position, ARGV[1])
if target == 'queued' then
  local not_before = redis.call('HGET', key, 'not_before') or '0'
  if tonumber(not_before) > tonumber(now) then
    redis.call('ZADD', 'hdsmlm:delayed', not_before, ARGV[1])
  else
    join(sweep, redis.call('HGET', key, 'group'), position, ARGV[1], now)
  end
end
if target ~= 'assigned' and target ~= 'running' then
  redis.call('SADD', 'hdsmlm:unsettled', ARGV[1])
  if state ~= 'queued' then redis.call('HINCRBY', 'hdsmlm:outcomes', target, 1) end
end
redis.call('XADD', 'hdsmlm:events', 'MAXLEN', '~', 10000, '*', 'kind', 'run', 'run', ARGV[1],
           'sweep', redis.call('HGET', key, 'sweep'), 'from', state, 'state', target,
           'worker', redis.call('HGET', key, 'worker') or '')
return 'ok'
