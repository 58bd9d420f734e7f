-- Batches that end at a moment of their tenant's choice: what has no verdict by then has expired.

ALTER TABLE batches ADD COLUMN expires_at TEXT;
ALTER TABLE batches ADD COLUMN expired_at TEXT
    CONSTRAINT expired_for_an_end CHECK (expired_at IS NULL OR expires_at IS NOT NULL);
-- What is looked for again and again: small however many batches are done.
CREATE INDEX batches_to_expire ON batches (expires_at, id)
    WHERE completed_at IS NULL AND cancelled_at IS NULL AND expired_at IS NULL AND expires_at IS NOT NULL;

-- `jobs_cancelled` counts those that expired too, so that its sum goes on to add up.
ALTER TABLE batches ADD COLUMN jobs_expired BIGINT NOT NULL DEFAULT 0
    CONSTRAINT expired_among_cancelled CHECK (jobs_expired >= 0 AND jobs_expired <= jobs_cancelled);

-- A check cannot be widened here: the column is made anew with one more word, and with it the one whose checks name it.
DROP INDEX jobs_waiting;
DROP INDEX jobs_of_order;
DROP INDEX jobs_failed;
ALTER TABLE jobs ADD COLUMN state_now TEXT NOT NULL DEFAULT 'queued'
    CHECK (state_now IN ('queued', 'dispatched', 'running', 'held', 'answered', 'failed', 'cancelled', 'refused',
        'expired'));
ALTER TABLE jobs ADD COLUMN held_since_now TEXT
    CONSTRAINT held_since_a_moment CHECK ((state_now = 'held') = (held_since_now IS NOT NULL))
    CONSTRAINT held_for_a_reason CHECK (state_now <> 'held' OR (decision IS NOT NULL AND code IS NOT NULL));
UPDATE jobs SET state_now = state, held_since_now = held_since;
ALTER TABLE jobs DROP COLUMN held_since;
ALTER TABLE jobs DROP COLUMN state;
ALTER TABLE jobs RENAME COLUMN state_now TO state;
ALTER TABLE jobs RENAME COLUMN held_since_now TO held_since;
CREATE INDEX jobs_waiting ON jobs (tenant, priority, not_before, id) WHERE state = 'queued';
CREATE INDEX jobs_of_order ON jobs (order_id) WHERE state IN ('dispatched', 'running');
CREATE INDEX jobs_failed ON jobs (tenant, id) WHERE state = 'failed';
