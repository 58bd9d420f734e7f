-- API keys. What is kept of a secret is a digest: reading this table lets nobody in.

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    -- Whose acts the key's acts are.
    member TEXT NOT NULL,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    -- What requests are for that cannot say it.
    purpose TEXT CHECK (purpose IN ('research', 'evaluation', 'commercial')),
    sha256 TEXT NOT NULL,
    created_at TEXT NOT NULL,
    ends_at TEXT NOT NULL,
    -- The secret before this one, and until when it is good beside it.
    old_sha256 TEXT,
    old_ends_at TEXT,
    rotated_at TEXT,
    -- The last time that somebody came in with it, within a minute.
    used_at TEXT,
    revoked_at TEXT,
    CHECK ((old_sha256 IS NULL) = (old_ends_at IS NULL))
);

CREATE INDEX api_keys_by_tenant ON api_keys (tenant, id);
