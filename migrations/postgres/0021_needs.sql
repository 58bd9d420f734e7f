-- What a revision takes in memory, and how a worker keeps weights: who is given its orders follows from both.

ALTER TABLE revisions ADD COLUMN need JSONB;
ALTER TABLE workers ADD COLUMN value_bytes BIGINT NOT NULL DEFAULT 4;
