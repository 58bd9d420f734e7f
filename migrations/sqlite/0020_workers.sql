-- Workers as they describe themselves, for as long as they are heard of. They are no tenant's.

CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    device TEXT NOT NULL,
    -- The most bytes that a model may take there, if it is known.
    memory_bytes INTEGER,
    loaded TEXT NOT NULL,
    speeds TEXT NOT NULL,
    since TEXT NOT NULL,
    heard_at TEXT NOT NULL
);
