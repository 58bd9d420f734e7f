-- How much of each tenant is accepted and has no verdict yet: jobs, and documents that are no pages yet. In four parts by
-- the last letter of a batch's id, as on PostgreSQL, where those who change one tenant's work at once then seldom wait.

ALTER TABLE batches ADD COLUMN backlog_part BIGINT GENERATED ALWAYS AS (CASE WHEN substr(id, length(id)) < '8' THEN 0
    WHEN substr(id, length(id)) < 'g' THEN 1 WHEN substr(id, length(id)) < 'q' THEN 2 ELSE 3 END) VIRTUAL;
CREATE TABLE backlog (
    tenant TEXT NOT NULL,
    part BIGINT NOT NULL,
    waiting BIGINT NOT NULL CONSTRAINT backlog_is_no_debt CHECK (waiting >= 0),
    PRIMARY KEY (tenant, part)
);
