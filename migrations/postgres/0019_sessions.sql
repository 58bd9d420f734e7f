-- Sessions of the dashboard. What is kept of a cookie and of a link is a digest: reading this table opens nothing.

CREATE TABLE sessions (
    sha256 TEXT PRIMARY KEY,
    -- The link that opened it; none opens a second one.
    link_sha256 TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    member TEXT NOT NULL,
    roles JSONB NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    -- However often it is seen, it ends then.
    ends_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ,
    -- When it and its link are over, so that nothing is lost with the row.
    forget_at TIMESTAMPTZ NOT NULL
);
