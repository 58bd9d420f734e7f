-- Batches, their documents, pages and questions; jobs, attempts at them, and answers.

-- The counters of a batch are kept beside it, so that reading them costs the same however long the backlog is.
-- The checks make a counter that does not add up impossible to store.
CREATE TABLE batches (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    member TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    revision_sha256 TEXT COLLATE "C" NOT NULL,
    purpose TEXT COLLATE "C" NOT NULL,
    decision TEXT COLLATE "C" NOT NULL,
    terms_sha256 TEXT COLLATE "C",
    duties JSONB NOT NULL,
    metadata JSONB NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    submitted_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    cancelled_at TIMESTAMPTZ,
    documents_total BIGINT NOT NULL DEFAULT 0,
    documents_received BIGINT NOT NULL DEFAULT 0,
    documents_waiting BIGINT NOT NULL DEFAULT 0,
    documents_split BIGINT NOT NULL DEFAULT 0,
    documents_failed BIGINT NOT NULL DEFAULT 0,
    documents_cancelled BIGINT NOT NULL DEFAULT 0,
    pages_total BIGINT NOT NULL DEFAULT 0,
    jobs_total BIGINT NOT NULL DEFAULT 0,
    jobs_queued BIGINT NOT NULL DEFAULT 0,
    jobs_dispatched BIGINT NOT NULL DEFAULT 0,
    jobs_running BIGINT NOT NULL DEFAULT 0,
    jobs_answered BIGINT NOT NULL DEFAULT 0,
    jobs_failed BIGINT NOT NULL DEFAULT 0,
    jobs_cancelled BIGINT NOT NULL DEFAULT 0,
    jobs_refused BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT documents_add_up CHECK (documents_total = documents_received + documents_waiting + documents_split
        + documents_failed + documents_cancelled),
    CONSTRAINT jobs_add_up CHECK (jobs_total = jobs_queued + jobs_dispatched + jobs_running + jobs_answered
        + jobs_failed + jobs_cancelled + jobs_refused),
    CONSTRAINT no_counter_below_zero CHECK (documents_received >= 0 AND documents_waiting >= 0
        AND documents_split >= 0 AND documents_failed >= 0 AND documents_cancelled >= 0 AND jobs_queued >= 0
        AND jobs_dispatched >= 0 AND jobs_running >= 0 AND jobs_answered >= 0 AND jobs_failed >= 0
        AND jobs_cancelled >= 0 AND jobs_refused >= 0)
);
CREATE INDEX batches_of_tenant ON batches (tenant, id);

CREATE TABLE questions (
    batch TEXT COLLATE "C" NOT NULL REFERENCES batches (id),
    place BIGINT NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    parameters JSONB NOT NULL,
    PRIMARY KEY (batch, place)
);

CREATE TABLE documents (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    batch TEXT COLLATE "C" NOT NULL REFERENCES batches (id),
    place BIGINT NOT NULL,
    name TEXT COLLATE "C",
    media_type TEXT COLLATE "C" NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    bytes BIGINT NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('received', 'waiting', 'splitting', 'split', 'failed', 'cancelled')),
    splitting_until TIMESTAMPTZ,
    pages BIGINT,
    code TEXT COLLATE "C",
    message TEXT COLLATE "C",
    settled_at TIMESTAMPTZ,
    UNIQUE (batch, place)
);
-- What intake looks for: small however many documents are done.
CREATE INDEX documents_to_split ON documents (tenant, id) WHERE state IN ('waiting', 'splitting');

CREATE TABLE pages (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    batch TEXT COLLATE "C" NOT NULL REFERENCES batches (id),
    document TEXT COLLATE "C" NOT NULL REFERENCES documents (id),
    number BIGINT NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    bytes BIGINT NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    -- Orders that were made for this page: the last one's attempt number.
    attempts BIGINT NOT NULL DEFAULT 0,
    UNIQUE (document, number)
);

CREATE TABLE jobs (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    batch TEXT COLLATE "C" NOT NULL REFERENCES batches (id),
    document TEXT COLLATE "C" NOT NULL REFERENCES documents (id),
    document_place BIGINT NOT NULL,
    page TEXT COLLATE "C" NOT NULL REFERENCES pages (id),
    page_number BIGINT NOT NULL,
    question BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('queued', 'dispatched', 'running', 'answered', 'failed', 'cancelled',
        'refused')),
    created_at TIMESTAMPTZ NOT NULL,
    not_before TIMESTAMPTZ,
    order_id TEXT COLLATE "C",
    attempt BIGINT,
    settled_at TIMESTAMPTZ,
    code TEXT COLLATE "C",
    message TEXT COLLATE "C",
    decision TEXT COLLATE "C",
    faults BIGINT NOT NULL DEFAULT 0,
    losses BIGINT NOT NULL DEFAULT 0,
    UNIQUE (page, question)
);
CREATE INDEX jobs_due ON jobs (tenant, not_before, id) WHERE state = 'queued';
CREATE INDEX jobs_of_order ON jobs (order_id) WHERE state IN ('dispatched', 'running');
CREATE INDEX jobs_in_place ON jobs (batch, document_place, page_number, question);
CREATE INDEX jobs_failed ON jobs (tenant, id) WHERE state = 'failed';

-- One work order each: a page with the questions that were pending.
CREATE TABLE attempts (
    order_id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    batch TEXT COLLATE "C" NOT NULL REFERENCES batches (id),
    page TEXT COLLATE "C" NOT NULL REFERENCES pages (id),
    attempt BIGINT NOT NULL,
    dispatched_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    worker TEXT COLLATE "C",
    -- Since when the queue has not held the order, as far as was seen.
    missing_since TIMESTAMPTZ,
    closed_at TIMESTAMPTZ,
    outcome TEXT COLLATE "C" CHECK (outcome IN ('done', 'handed_back', 'lost', 'withdrawn')),
    UNIQUE (page, attempt),
    CONSTRAINT closed_with_outcome CHECK ((closed_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX attempts_open ON attempts (batch, order_id) WHERE closed_at IS NULL;

-- Why attempts at a job came to nothing: the reasons of a dead letter.
CREATE TABLE job_faults (
    job TEXT COLLATE "C" NOT NULL REFERENCES jobs (id),
    order_id TEXT COLLATE "C" NOT NULL REFERENCES attempts (order_id),
    attempt BIGINT NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (job, order_id)
);

-- The key makes a second answer of a job impossible.
CREATE TABLE answers (
    job TEXT COLLATE "C" PRIMARY KEY REFERENCES jobs (id),
    order_id TEXT COLLATE "C" NOT NULL REFERENCES attempts (order_id),
    attempt BIGINT NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    finish_reason TEXT COLLATE "C" NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    compute_ms BIGINT NOT NULL,
    engine TEXT COLLATE "C" NOT NULL,
    worker TEXT COLLATE "C" NOT NULL,
    answered_at TIMESTAMPTZ NOT NULL
);
