-- KEYS: a stream. ARGV: its group, entries. Those that are gone already are no fault.
for n = 2, #ARGV do
  redis.pcall('XACK', KEYS[1], ARGV[1], ARGV[n])
  redis.call('XDEL', KEYS[1], ARGV[n])
end
