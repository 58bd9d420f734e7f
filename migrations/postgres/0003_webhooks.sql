-- Webhook endpoints, events, and their deliveries.

CREATE TABLE webhook_endpoints (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    member TEXT COLLATE "C" NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C",
    event_types JSONB NOT NULL,
    -- Needed in the clear to sign with; gone when the endpoint is deleted.
    secret TEXT COLLATE "C",
    created_at TIMESTAMPTZ NOT NULL,
    disabled_at TIMESTAMPTZ,
    disabled_code TEXT COLLATE "C",
    deleted_at TIMESTAMPTZ,
    CONSTRAINT disabled_for_a_reason CHECK ((disabled_at IS NULL) = (disabled_code IS NULL)),
    CONSTRAINT secret_until_deleted CHECK ((secret IS NULL) = (deleted_at IS NOT NULL))
);
CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant, id) WHERE deleted_at IS NULL;

-- What happened, as it was told then. Only events that some endpoint asked for are here.
CREATE TABLE events (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    data JSONB NOT NULL
);

CREATE TABLE deliveries (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    endpoint TEXT COLLATE "C" NOT NULL REFERENCES webhook_endpoints (id),
    event TEXT COLLATE "C" NOT NULL REFERENCES events (id),
    created_at TIMESTAMPTZ NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'delivered', 'failed', 'refused')),
    -- When it is to be sent; while somebody sends it, when that one no longer counts.
    due_at TIMESTAMPTZ,
    claimed_at TIMESTAMPTZ,
    settled_at TIMESTAMPTZ,
    code TEXT COLLATE "C",
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
    delivery TEXT COLLATE "C" NOT NULL REFERENCES deliveries (id),
    number BIGINT NOT NULL,
    begun_at TIMESTAMPTZ NOT NULL,
    -- Empty while it is on its way, and for ever if the process died then.
    duration_ms BIGINT,
    status BIGINT,
    error TEXT COLLATE "C",
    PRIMARY KEY (delivery, number)
);
