-- Webhook endpoints, events, and their deliveries.

CREATE TABLE webhook_endpoints (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    member TEXT NOT NULL,
    url TEXT NOT NULL,
    description TEXT,
    event_types TEXT NOT NULL,
    -- Needed in the clear to sign with; gone when the endpoint is deleted.
    secret TEXT,
    created_at TEXT NOT NULL,
    disabled_at TEXT,
    disabled_code TEXT,
    deleted_at TEXT,
    CONSTRAINT disabled_for_a_reason CHECK ((disabled_at IS NULL) = (disabled_code IS NULL)),
    CONSTRAINT secret_until_deleted CHECK ((secret IS NULL) = (deleted_at IS NOT NULL))
);
CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant, id) WHERE deleted_at IS NULL;

-- What happened, as it was told then. Only events that some endpoint asked for are here.
CREATE TABLE events (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    at TEXT NOT NULL,
    path TEXT NOT NULL,
    data TEXT NOT NULL
);

CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    endpoint TEXT NOT NULL REFERENCES webhook_endpoints (id),
    event TEXT NOT NULL REFERENCES events (id),
    created_at TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed', 'refused')),
    -- When it is to be sent; while somebody sends it, when that one no longer counts.
    due_at TEXT,
    claimed_at TEXT,
    settled_at TEXT,
    code TEXT,
    -- Attempts ever begun: the number of the last one.
    attempts BIGINT NOT NULL DEFAULT 0,
    -- Attempts that failed since it was last asked for: the rung of the ladder.
    tries BIGINT NOT NULL DEFAULT 0,
    UNIQUE (event, endpoint),
    CONSTRAINT due_while_pending CHECK ((state = 'pending') = (due_at IS NOT NULL)),
    CONSTRAINT settled_once_not_pending CHECK ((state = 'pending') = (settled_at IS NULL))
);
CREATE INDEX deliveries_due ON deliveries (endpoint, due_at, id) WHERE state = 'pending';
CREATE INDEX deliveries_of_tenant ON deliveries (tenant, id);
CREATE INDEX deliveries_of_endpoint ON deliveries (endpoint, id);

CREATE TABLE delivery_attempts (
    delivery TEXT NOT NULL REFERENCES deliveries (id),
    number BIGINT NOT NULL,
    begun_at TEXT NOT NULL,
    -- Empty while it is on its way, and for ever if the process died then.
    duration_ms BIGINT,
    status BIGINT,
    error TEXT,
    PRIMARY KEY (delivery, number)
);
