-- Whose turn it is: tenants in rounds by weight, and a tenant's own work by priority.

ALTER TABLE batches ADD COLUMN priority BIGINT NOT NULL DEFAULT 1
    CONSTRAINT batch_priority_known CHECK (priority BETWEEN 0 AND 2);
ALTER TABLE jobs ADD COLUMN priority BIGINT NOT NULL DEFAULT 1
    CONSTRAINT job_priority_known CHECK (priority BETWEEN 0 AND 2);
DROP INDEX jobs_due;
-- The first job of a tenant and priority is one look, however many wait behind it.
CREATE INDEX jobs_waiting ON jobs (tenant, priority, not_before, id) WHERE state = 'queued';
CREATE INDEX attempts_open_of_tenant ON attempts (tenant) WHERE closed_at IS NULL;

CREATE TABLE turns (
    tenant TEXT PRIMARY KEY,
    round BIGINT NOT NULL DEFAULT 0,
    credit BIGINT NOT NULL DEFAULT 1 CONSTRAINT credit_is_left CHECK (credit > 0),
    -- From when on it is worth a look whether jobs of the tenant are due. None are waiting, if it is empty.
    due_at TEXT,
    -- Since when nothing has been waiting, as far as was seen.
    empty_since TEXT,
    -- What the settings say of the tenant.
    weight BIGINT NOT NULL DEFAULT 1 CONSTRAINT weight_counts CHECK (weight > 0),
    most_orders BIGINT CONSTRAINT some_orders CHECK (most_orders > 0)
);
CREATE INDEX turns_next ON turns (round, tenant, due_at) WHERE due_at IS NOT NULL;
INSERT INTO turns (tenant, due_at) SELECT tenant, MIN(not_before) FROM jobs WHERE state = 'queued' GROUP BY tenant;

-- One row: the latest round that was begun.
CREATE TABLE dispatch_round (
    id BIGINT PRIMARY KEY CONSTRAINT one_row CHECK (id = 1),
    round BIGINT NOT NULL
);
INSERT INTO dispatch_round (id, round) VALUES (1, 0);
