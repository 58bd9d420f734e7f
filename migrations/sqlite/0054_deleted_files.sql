-- Files of OpenAI's form are deleted as batches are: a deletion is of one or the other.

-- What is not null here cannot become so: both tables are made anew.
CREATE TABLE deletions_of_both (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    batch TEXT REFERENCES batches (id),
    file TEXT REFERENCES openai_files (id),
    deleted TEXT NOT NULL CHECK (deleted IN ('documents', 'answers', 'all')),
    -- Who asked for it; nobody, if its time was over.
    member TEXT,
    asked_at TEXT NOT NULL,
    documents BIGINT NOT NULL DEFAULT 0,
    pages BIGINT NOT NULL DEFAULT 0,
    answers BIGINT NOT NULL DEFAULT 0,
    files BIGINT NOT NULL DEFAULT 0,
    shared BIGINT NOT NULL DEFAULT 0,
    done_at TEXT,
    -- The signed record.
    record TEXT,
    CONSTRAINT done_with_record CHECK ((done_at IS NULL) = (record IS NULL)),
    CONSTRAINT of_one_thing CHECK ((batch IS NULL) <> (file IS NULL))
);
INSERT INTO deletions_of_both (id, tenant, batch, deleted, member, asked_at, documents, pages, answers, files, shared,
    done_at, record) SELECT id, tenant, batch, deleted, member, asked_at, documents, pages, answers, files, shared,
    done_at, record FROM deletions;
CREATE TABLE unreferred_of_both (
    sha256 TEXT NOT NULL,
    deletion TEXT NOT NULL REFERENCES deletions_of_both (id),
    removed_at TEXT,
    PRIMARY KEY (sha256, deletion)
);
INSERT INTO unreferred_of_both (sha256, deletion, removed_at) SELECT sha256, deletion, removed_at FROM unreferred;
DROP TABLE unreferred;
DROP TABLE deletions;
ALTER TABLE deletions_of_both RENAME TO deletions;
ALTER TABLE unreferred_of_both RENAME TO unreferred;
CREATE INDEX deletions_open ON deletions (id) WHERE done_at IS NULL;
CREATE INDEX deletions_of_batch ON deletions (batch, id);
CREATE INDEX deletions_of_file ON deletions (file, id);
CREATE INDEX unreferred_of_deletion ON unreferred (deletion, sha256) WHERE removed_at IS NULL;
CREATE INDEX unreferred_removed ON unreferred (removed_at) WHERE removed_at IS NOT NULL;

-- From when on a file has its bytes no longer: they are removed when nothing else has them.
ALTER TABLE openai_files ADD COLUMN gone_at TEXT;
-- What was taken away before has its bytes still: it is as if it had ended then.
UPDATE openai_files SET expires_at = deleted_at, deleted_at = NULL WHERE deleted_at IS NOT NULL;
CREATE INDEX openai_files_ending ON openai_files (expires_at) WHERE deleted_at IS NULL;
CREATE INDEX openai_files_sent ON openai_files (tenant, created_at) WHERE deleted_at IS NULL AND purpose <> 'batch_output';
CREATE INDEX openai_files_made ON openai_files (tenant, created_at) WHERE deleted_at IS NULL AND purpose = 'batch_output';

-- Which batches of requests are under way over a file, and which request made a job.
CREATE INDEX openai_batches_over_file ON openai_batches (input_file)
    WHERE completed_at IS NULL AND failed_at IS NULL AND expired_at IS NULL AND cancelled_at IS NULL;
CREATE INDEX openai_rows_by_job ON openai_rows (job) WHERE job IS NOT NULL;
