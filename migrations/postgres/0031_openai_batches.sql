-- Files and batches as clients of OpenAI's API know them: a file of requests, each of which becomes a job of its own.

CREATE TABLE openai_files (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    member TEXT COLLATE "C" NOT NULL,
    filename TEXT COLLATE "C" NOT NULL,
    purpose TEXT COLLATE "C" NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ
);

CREATE INDEX openai_files_by_tenant ON openai_files (tenant, id);
CREATE INDEX openai_files_by_bytes ON openai_files (sha256);

CREATE TABLE openai_batches (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    -- Whose acts its requests are.
    member TEXT COLLATE "C" NOT NULL,
    roles JSONB NOT NULL,
    -- The key that it came with, if it was one.
    api_key TEXT COLLATE "C",
    -- What requests are for that do not say it.
    purpose TEXT COLLATE "C" NOT NULL CHECK (purpose IN ('research', 'evaluation', 'commercial')),
    endpoint TEXT COLLATE "C" NOT NULL,
    input_file TEXT COLLATE "C" NOT NULL REFERENCES openai_files (id),
    completion_window TEXT COLLATE "C" NOT NULL,
    metadata JSONB,
    -- How long the files of its answers are kept, in seconds.
    output_seconds BIGINT,
    model TEXT COLLATE "C",
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    in_progress_at TIMESTAMPTZ,
    finalizing_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    failed_at TIMESTAMPTZ,
    expired_at TIMESTAMPTZ,
    cancelling_at TIMESTAMPTZ,
    cancelled_at TIMESTAMPTZ,
    -- What is wrong with its file, by line.
    faults JSONB NOT NULL,
    total BIGINT NOT NULL DEFAULT 0,
    -- How many have an answer and how many have none, when it is over; until then its rows tell.
    answered BIGINT,
    unanswered BIGINT,
    -- How far its file was read: rows that are stored, and where the next one begins.
    fed_rows BIGINT NOT NULL DEFAULT 0,
    fed_bytes BIGINT NOT NULL DEFAULT 0,
    fed_lines BIGINT NOT NULL DEFAULT 0,
    output_file TEXT COLLATE "C" REFERENCES openai_files (id),
    error_file TEXT COLLATE "C" REFERENCES openai_files (id),
    -- Until when a hub has it in hand, or when it is due to be looked at again.
    held_until TIMESTAMPTZ NOT NULL,
    CHECK ((answered IS NULL) = (unanswered IS NULL))
);

CREATE INDEX openai_batches_by_tenant ON openai_batches (tenant, id);
CREATE INDEX openai_batches_under_way ON openai_batches (tenant)
    WHERE completed_at IS NULL AND failed_at IS NULL AND expired_at IS NULL AND cancelled_at IS NULL;
CREATE INDEX openai_batches_due ON openai_batches (held_until)
    WHERE completed_at IS NULL AND failed_at IS NULL AND expired_at IS NULL AND cancelled_at IS NULL;

CREATE TABLE openai_rows (
    batch TEXT COLLATE "C" NOT NULL REFERENCES openai_batches (id),
    -- Its line in the file, from 1.
    place BIGINT NOT NULL,
    custom_id TEXT COLLATE "C" NOT NULL,
    -- The first of its jobs; or the status of what refused it, and why.
    job TEXT COLLATE "C" REFERENCES jobs (id),
    status BIGINT,
    fault JSONB,
    PRIMARY KEY (batch, place),
    CHECK ((job IS NULL) = (fault IS NOT NULL)),
    CHECK ((status IS NULL) = (fault IS NULL))
);
