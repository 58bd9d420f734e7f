-- Questions about documents: asked on every page, and what these answer is combined by jobs that read texts.

ALTER TABLE questions ADD COLUMN scope TEXT NOT NULL DEFAULT 'page'
    CONSTRAINT scope_known CHECK (scope IN ('page', 'document'));
-- Empty for a question about a page, which most jobs are.
ALTER TABLE jobs ADD COLUMN role TEXT
    CONSTRAINT role_known CHECK (role IN ('source', 'part', 'whole'));
ALTER TABLE jobs DROP CONSTRAINT jobs_state_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_state_check CHECK (state IN ('waiting', 'queued', 'dispatched', 'running', 'held',
    'answered', 'failed', 'cancelled', 'refused', 'expired'));
ALTER TABLE jobs ADD CONSTRAINT whole_waits CHECK (state <> 'waiting' OR role = 'whole');
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
    job TEXT COLLATE "C" PRIMARY KEY REFERENCES jobs (id),
    sources JSONB NOT NULL,
    parts JSONB
);
