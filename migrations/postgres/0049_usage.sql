-- What tenants and their API keys have used on each day of UTC. A day's use is kept in the parts of batches, so that those
-- who store answers of one tenant at once seldom wait for each other.

CREATE TABLE usage (
    tenant TEXT NOT NULL,
    day TEXT NOT NULL,
    -- The key that it was asked for with; '' for none.
    api_key TEXT NOT NULL,
    part BIGINT NOT NULL,
    pages BIGINT NOT NULL,
    answers BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, api_key, part)
);

-- The key that it was opened with, if it was one.
ALTER TABLE batches ADD COLUMN api_key TEXT;

-- How much may be asked for with a key, where that differs from what the settings say of all.
ALTER TABLE api_keys ADD COLUMN limits JSONB;
