-- Work that is held while nothing allows it, and goes on when something does again.

ALTER TABLE jobs DROP CONSTRAINT jobs_state_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_state_check CHECK (state IN ('queued', 'dispatched', 'running', 'held', 'answered',
    'failed', 'cancelled', 'refused'));
-- Beside it, `decision` and `code` say why.
ALTER TABLE jobs ADD COLUMN held_since TIMESTAMPTZ
    CONSTRAINT held_since_a_moment CHECK ((state = 'held') = (held_since IS NOT NULL))
    CONSTRAINT held_for_a_reason CHECK (state <> 'held' OR (decision IS NOT NULL AND code IS NOT NULL));

-- Stopped by the gate: refused, or held.
ALTER TABLE batches RENAME COLUMN jobs_refused TO jobs_stopped;
ALTER TABLE batches ADD COLUMN jobs_held BIGINT NOT NULL DEFAULT 0
    CONSTRAINT held_is_stopped CHECK (jobs_held >= 0 AND jobs_held <= jobs_stopped);
CREATE INDEX batches_held ON batches (id) WHERE jobs_held > 0;
CREATE INDEX batches_at_work ON batches (tenant, id) WHERE jobs_queued + jobs_dispatched + jobs_running > 0;

-- The decision that allowed the work. The batch has a newer one once it was held and resumed. Answers of the first
-- versions do not tell: their batches were never held.
ALTER TABLE answers ADD COLUMN decision TEXT COLLATE "C";
