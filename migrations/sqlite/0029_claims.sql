-- Requests that may be sent again: what a key of the caller's own has made. Keys are kept as digests.

CREATE TABLE claims (
    tenant TEXT NOT NULL,
    key_sha256 TEXT NOT NULL,
    -- Which request holds the key.
    claim TEXT NOT NULL,
    -- Until when a request that has made nothing yet keeps others out.
    held_until TEXT NOT NULL,
    forget_at TEXT NOT NULL,
    -- What was asked and by whom, and what it made: in the transaction that made it.
    request_sha256 TEXT,
    subject TEXT,
    -- What it was answered.
    status INTEGER,
    headers TEXT,
    body TEXT,
    PRIMARY KEY (tenant, key_sha256),
    CHECK ((subject IS NULL) = (request_sha256 IS NULL)),
    CHECK (subject IS NOT NULL OR status IS NULL),
    CHECK ((status IS NULL) = (headers IS NULL) AND (status IS NULL) = (body IS NULL))
);

CREATE INDEX claims_by_end ON claims (forget_at);
