-- Questions about documents: asked on every page, and what these answer is combined by jobs that read texts.

ALTER TABLE questions ADD COLUMN scope TEXT NOT NULL DEFAULT 'page'
    CONSTRAINT scope_known CHECK (scope IN ('page', 'document'));
-- Empty for a question about a page, which most jobs are.
ALTER TABLE jobs ADD COLUMN role TEXT
    CONSTRAINT role_known CHECK (role IN ('source', 'part', 'whole'));

-- A check cannot be widened here: the column is made anew with one more word, and with it the one whose checks name it.
DROP INDEX jobs_waiting;
DROP INDEX jobs_of_order;
DROP INDEX jobs_failed;
ALTER TABLE jobs ADD COLUMN state_now TEXT NOT NULL DEFAULT 'queued'
    CHECK (state_now IN ('waiting', 'queued', 'dispatched', 'running', 'held', 'answered', 'failed', 'cancelled', 'refused',
        'expired'))
    CONSTRAINT whole_waits CHECK (state_now <> 'waiting' OR role = 'whole');
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
-- What is looked for again and again: small however many jobs are done, and empty without such questions.
CREATE INDEX jobs_to_combine ON jobs (id) WHERE state = 'waiting';
CREATE INDEX jobs_combined_later ON jobs (document, question)
    WHERE role IS NOT NULL AND state IN ('queued', 'dispatched', 'running', 'held');
CREATE INDEX jobs_sources ON jobs (document, question, page_number) WHERE role = 'source';

-- `jobs_queued` counts those that wait for what they combine too, so that its sum goes on to add up.
ALTER TABLE batches ADD COLUMN jobs_waiting BIGINT NOT NULL DEFAULT 0
    CONSTRAINT waiting_among_queued CHECK (jobs_waiting >= 0 AND jobs_waiting <= jobs_queued);

-- What a job combines: the pages, and the jobs that combine portions of them first.
CREATE TABLE combinations (
    job TEXT PRIMARY KEY REFERENCES jobs (id),
    sources TEXT NOT NULL,
    parts TEXT
);
