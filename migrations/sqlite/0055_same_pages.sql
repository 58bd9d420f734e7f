-- Pages of a batch with the same bytes: they are encoded, and what is repeatable about them is computed, once.

-- The first page of its batch that has the same bytes; empty for that page itself, and for texts.
ALTER TABLE pages ADD COLUMN same_as TEXT REFERENCES pages (id);
CREATE INDEX pages_first ON pages (batch, sha256) WHERE same_as IS NULL;
CREATE INDEX pages_same ON pages (same_as) WHERE same_as IS NOT NULL;

-- The job whose computation an answer is; empty if it was computed for its own.
ALTER TABLE answers ADD COLUMN shared_from TEXT REFERENCES jobs (id);
