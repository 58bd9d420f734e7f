-- The whole life of acceptances: submitted, suspended, run out, superseded; their evidence and comments.

-- Empty while it is requested and not submitted.
ALTER TABLE acceptances ADD COLUMN submitted_at TEXT;
UPDATE acceptances SET submitted_at = requested_at;
-- From this moment on it allows nothing, whatever else the row says.
ALTER TABLE acceptances ADD COLUMN valid_until TEXT;
-- The nearest reminder of its end that was told, in days before it.
ALTER TABLE acceptances ADD COLUMN reminded_days BIGINT
    CONSTRAINT reminded_of_an_end CHECK (reminded_days IS NULL OR valid_until IS NOT NULL);
ALTER TABLE acceptances ADD COLUMN suspended_at TEXT
    CONSTRAINT suspended_was_active CHECK (suspended_at IS NULL OR active_since IS NOT NULL);
ALTER TABLE acceptances ADD COLUMN suspended_by_tenant TEXT;
ALTER TABLE acceptances ADD COLUMN suspended_by_member TEXT;
ALTER TABLE acceptances ADD COLUMN suspended_reason TEXT
    CONSTRAINT suspended_for_a_reason CHECK ((suspended_at IS NULL) = (suspended_reason IS NULL));
-- When it was written down that it has run out.
ALTER TABLE acceptances ADD COLUMN expired_at TEXT
    CONSTRAINT expired_at_its_end CHECK (expired_at IS NULL
        OR (active_since IS NOT NULL AND valid_until IS NOT NULL AND expired_at >= valid_until));
ALTER TABLE acceptances ADD COLUMN superseded_at TEXT
    CONSTRAINT superseded_was_active CHECK (superseded_at IS NULL OR active_since IS NOT NULL);
ALTER TABLE acceptances ADD COLUMN superseded_by TEXT REFERENCES acceptances (id)
    CONSTRAINT superseded_by_another CHECK ((superseded_at IS NULL) = (superseded_by IS NULL)
        AND superseded_by IS NOT id)
    CONSTRAINT stopped_in_one_way CHECK ((suspended_at IS NOT NULL) + (expired_at IS NOT NULL)
        + (revoked_at IS NOT NULL) + (superseded_at IS NOT NULL) <= 1)
    CONSTRAINT judged_once_submitted CHECK (submitted_at IS NOT NULL
        OR (active_since IS NULL AND rejected_at IS NULL));
-- What has an end and has not come to it.
CREATE INDEX acceptances_that_end ON acceptances (valid_until) WHERE active_since IS NOT NULL
    AND valid_until IS NOT NULL AND expired_at IS NULL AND revoked_at IS NULL AND superseded_at IS NULL;

-- The bytes are blobs.
CREATE TABLE acceptance_evidence (
    acceptance TEXT NOT NULL REFERENCES acceptances (id),
    sha256 TEXT NOT NULL,
    name TEXT,
    media_type TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    by_tenant TEXT NOT NULL,
    by_member TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (acceptance, sha256)
);

CREATE TABLE acceptance_comments (
    id TEXT PRIMARY KEY,
    acceptance TEXT NOT NULL REFERENCES acceptances (id),
    by_tenant TEXT NOT NULL,
    by_member TEXT NOT NULL,
    at TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX acceptance_comments_of ON acceptance_comments (acceptance, id);
