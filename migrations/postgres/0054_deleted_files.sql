-- Files of OpenAI's form are deleted as batches are: a deletion is of one or the other.

ALTER TABLE deletions ALTER COLUMN batch DROP NOT NULL;
ALTER TABLE deletions ADD COLUMN file TEXT COLLATE "C" REFERENCES openai_files (id);
ALTER TABLE deletions ADD CONSTRAINT of_one_thing CHECK ((batch IS NULL) <> (file IS NULL));
CREATE INDEX deletions_of_file ON deletions (file, id);

-- From when on a file has its bytes no longer: they are removed when nothing else has them.
ALTER TABLE openai_files ADD COLUMN gone_at TIMESTAMPTZ;
-- What was taken away before has its bytes still: it is as if it had ended then.
UPDATE openai_files SET expires_at = deleted_at, deleted_at = NULL WHERE deleted_at IS NOT NULL;
CREATE INDEX openai_files_ending ON openai_files (expires_at) WHERE deleted_at IS NULL;
CREATE INDEX openai_files_sent ON openai_files (tenant, created_at) WHERE deleted_at IS NULL AND purpose <> 'batch_output';
CREATE INDEX openai_files_made ON openai_files (tenant, created_at) WHERE deleted_at IS NULL AND purpose = 'batch_output';

-- Which batches of requests are under way over a file, and which request made a job.
CREATE INDEX openai_batches_over_file ON openai_batches (input_file)
    WHERE completed_at IS NULL AND failed_at IS NULL AND expired_at IS NULL AND cancelled_at IS NULL;
CREATE INDEX openai_rows_by_job ON openai_rows (job) WHERE job IS NOT NULL;
