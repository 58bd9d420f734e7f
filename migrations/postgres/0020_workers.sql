-- Workers as they describe themselves, for as long as they are heard of. They are no tenant's.

CREATE TABLE workers (
    id TEXT COLLATE "C" PRIMARY KEY,
    version TEXT NOT NULL,
    device TEXT NOT NULL,
    -- The most bytes that a model may take there, if it is known.
    memory_bytes BIGINT,
    loaded JSONB NOT NULL,
    speeds JSONB NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    heard_at TIMESTAMPTZ NOT NULL
);
