-- Which batches of a tenant have the same page: what is repeatable about it is computed once.
CREATE INDEX pages_first_of_tenant ON pages (tenant, sha256, id) WHERE same_as IS NULL;

-- 1, if somebody waits for the answers while they are written: those are computed, though another batch has the same.
ALTER TABLE batches ADD COLUMN awaited BIGINT NOT NULL DEFAULT 0 CHECK (awaited IN (0, 1));
