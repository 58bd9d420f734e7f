-- KEYS: workers. Gives what each has said, which is gone then.
local said = redis.call('HVALS', KEYS[1])
redis.call('DEL', KEYS[1])
return said
