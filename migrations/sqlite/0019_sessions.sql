-- Sessions of the dashboard. What is kept of a cookie and of a link is a digest: reading this table opens nothing.

CREATE TABLE sessions (
    sha256 TEXT PRIMARY KEY,
    -- The link that opened it; none opens a second one.
    link_sha256 TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    member TEXT NOT NULL,
    roles TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    -- However often it is seen, it ends then.
    ends_at TEXT NOT NULL,
    closed_at TEXT,
    -- When it and its link are over, so that nothing is lost with the row.
    forget_at TEXT NOT NULL
);
