-- Batches that end at a moment of their tenant's choice: what has no verdict by then has expired.

ALTER TABLE batches ADD COLUMN expires_at TIMESTAMPTZ;
ALTER TABLE batches ADD COLUMN expired_at TIMESTAMPTZ
    CONSTRAINT expired_for_an_end CHECK (expired_at IS NULL OR expires_at IS NOT NULL);
-- What is looked for again and again: small however many batches are done.
CREATE INDEX batches_to_expire ON batches (expires_at, id)
    WHERE completed_at IS NULL AND cancelled_at IS NULL AND expired_at IS NULL AND expires_at IS NOT NULL;

-- `jobs_cancelled` counts those that expired too, so that its sum goes on to add up.
ALTER TABLE batches ADD COLUMN jobs_expired BIGINT NOT NULL DEFAULT 0
    CONSTRAINT expired_among_cancelled CHECK (jobs_expired >= 0 AND jobs_expired <= jobs_cancelled);

ALTER TABLE jobs DROP CONSTRAINT jobs_state_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_state_check CHECK (state IN ('queued', 'dispatched', 'running', 'held', 'answered',
    'failed', 'cancelled', 'refused', 'expired'));
