-- How much of each tenant is accepted and has no verdict yet: jobs, and documents that are no pages yet. In four parts by
-- the last letter of a batch's id, so that those who change one tenant's work at once seldom wait for each other.

ALTER TABLE batches ADD COLUMN backlog_part BIGINT GENERATED ALWAYS AS (CASE WHEN substr(id, length(id)) < '8' THEN 0
    WHEN substr(id, length(id)) < 'g' THEN 1 WHEN substr(id, length(id)) < 'q' THEN 2 ELSE 3 END) STORED;
CREATE TABLE backlog (
    tenant TEXT COLLATE "C" NOT NULL,
    part BIGINT NOT NULL,
    waiting BIGINT NOT NULL CONSTRAINT backlog_is_no_debt CHECK (waiting >= 0),
    PRIMARY KEY (tenant, part)
) WITH (fillfactor = 50);
