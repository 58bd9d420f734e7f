-- How long tenants keep documents and answers, and what was deleted of their batches.

CREATE TABLE retention (
    tenant TEXT COLLATE "C" PRIMARY KEY,
    -- Days after the end of a batch; empty, if they stay.
    documents_days BIGINT CHECK (documents_days > 0),
    answers_days BIGINT CHECK (answers_days > 0),
    member TEXT COLLATE "C" NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL
);

-- From when on documents and answers are given out to nobody, and deleted in portions.
ALTER TABLE batches ADD COLUMN documents_gone_at TIMESTAMPTZ;
ALTER TABLE batches ADD COLUMN answers_gone_at TIMESTAMPTZ;
CREATE INDEX batches_with_documents ON batches (tenant, COALESCE(completed_at, cancelled_at, expired_at,
    CASE WHEN submitted_at IS NULL THEN opened_at END)) WHERE documents_gone_at IS NULL;
CREATE INDEX batches_with_answers ON batches (tenant, COALESCE(completed_at, cancelled_at, expired_at,
    CASE WHEN submitted_at IS NULL THEN opened_at END)) WHERE answers_gone_at IS NULL;

CREATE TABLE deletions (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    batch TEXT COLLATE "C" NOT NULL REFERENCES batches (id),
    deleted TEXT COLLATE "C" NOT NULL CHECK (deleted IN ('documents', 'answers', 'all')),
    -- Who asked for it; nobody, if its time was over.
    member TEXT COLLATE "C",
    asked_at TIMESTAMPTZ NOT NULL,
    documents BIGINT NOT NULL DEFAULT 0,
    pages BIGINT NOT NULL DEFAULT 0,
    answers BIGINT NOT NULL DEFAULT 0,
    files BIGINT NOT NULL DEFAULT 0,
    shared BIGINT NOT NULL DEFAULT 0,
    done_at TIMESTAMPTZ,
    -- The signed record.
    record JSONB,
    CONSTRAINT done_with_record CHECK ((done_at IS NULL) = (record IS NULL))
);
CREATE INDEX deletions_open ON deletions (id) WHERE done_at IS NULL;
CREATE INDEX deletions_of_batch ON deletions (batch, id);

ALTER TABLE documents ADD COLUMN deleted_at TIMESTAMPTZ;
ALTER TABLE documents ADD COLUMN answers_deleted_at TIMESTAMPTZ;
ALTER TABLE pages ADD COLUMN deleted_at TIMESTAMPTZ;
CREATE INDEX documents_there ON documents (batch, place) WHERE deleted_at IS NULL;
CREATE INDEX documents_with_answers ON documents (batch, place) WHERE answers_deleted_at IS NULL;

-- Who else has the same bytes.
CREATE INDEX documents_by_bytes ON documents (sha256) WHERE deleted_at IS NULL;
CREATE INDEX pages_by_bytes ON pages (sha256) WHERE deleted_at IS NULL;
CREATE INDEX artifacts_by_bytes ON artifacts (sha256);
CREATE INDEX revisions_by_bytes ON revisions (sha256);
CREATE INDEX evidence_by_bytes ON acceptance_evidence (sha256);

-- Files that something was deleted of: they are removed when nothing has the same bytes. What was removed is known for a
-- while, so that whoever found the file there a moment before stores it again.
CREATE TABLE unreferred (
    sha256 TEXT COLLATE "C" NOT NULL,
    deletion TEXT COLLATE "C" NOT NULL REFERENCES deletions (id),
    removed_at TIMESTAMPTZ,
    PRIMARY KEY (sha256, deletion)
);
CREATE INDEX unreferred_of_deletion ON unreferred (deletion, sha256) WHERE removed_at IS NULL;
CREATE INDEX unreferred_removed ON unreferred (removed_at) WHERE removed_at IS NOT NULL;
