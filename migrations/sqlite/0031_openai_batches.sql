-- Files and batches as clients of OpenAI's API know them: a file of requests, each of which becomes a job of its own.

CREATE TABLE openai_files (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    member TEXT NOT NULL,
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    deleted_at TEXT
);

CREATE INDEX openai_files_by_tenant ON openai_files (tenant, id);
CREATE INDEX openai_files_by_bytes ON openai_files (sha256);

CREATE TABLE openai_batches (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    -- Whose acts its requests are.
    member TEXT NOT NULL,
    roles TEXT NOT NULL,
    -- The key that it came with, if it was one.
    api_key TEXT,
    -- What requests are for that do not say it.
    purpose TEXT NOT NULL CHECK (purpose IN ('research', 'evaluation', 'commercial')),
    endpoint TEXT NOT NULL,
    input_file TEXT NOT NULL REFERENCES openai_files (id),
    completion_window TEXT NOT NULL,
    metadata TEXT,
    -- How long the files of its answers are kept, in seconds.
    output_seconds INTEGER,
    model TEXT,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    in_progress_at TEXT,
    finalizing_at TEXT,
    completed_at TEXT,
    failed_at TEXT,
    expired_at TEXT,
    cancelling_at TEXT,
    cancelled_at TEXT,
    -- What is wrong with its file, by line.
    faults TEXT NOT NULL,
    total INTEGER NOT NULL DEFAULT 0,
    -- How many have an answer and how many have none, when it is over; until then its rows tell.
    answered INTEGER,
    unanswered INTEGER,
    -- How far its file was read: rows that are stored, and where the next one begins.
    fed_rows INTEGER NOT NULL DEFAULT 0,
    fed_bytes INTEGER NOT NULL DEFAULT 0,
    fed_lines INTEGER NOT NULL DEFAULT 0,
    output_file TEXT REFERENCES openai_files (id),
    error_file TEXT REFERENCES openai_files (id),
    -- Until when a hub has it in hand, or when it is due to be looked at again.
    held_until TEXT NOT NULL,
    CHECK ((answered IS NULL) = (unanswered IS NULL))
);

CREATE INDEX openai_batches_by_tenant ON openai_batches (tenant, id);
CREATE INDEX openai_batches_under_way ON openai_batches (tenant)
    WHERE completed_at IS NULL AND failed_at IS NULL AND expired_at IS NULL AND cancelled_at IS NULL;
CREATE INDEX openai_batches_due ON openai_batches (held_until)
    WHERE completed_at IS NULL AND failed_at IS NULL AND expired_at IS NULL AND cancelled_at IS NULL;

CREATE TABLE openai_rows (
    batch TEXT NOT NULL REFERENCES openai_batches (id),
    -- Its line in the file, from 1.
    place INTEGER NOT NULL,
    custom_id TEXT NOT NULL,
    -- The first of its jobs; or the status of what refused it, and why.
    job TEXT REFERENCES jobs (id),
    status INTEGER,
    fault TEXT,
    PRIMARY KEY (batch, place),
    CHECK ((job IS NULL) = (fault IS NOT NULL)),
    CHECK ((status IS NULL) = (fault IS NULL))
);
