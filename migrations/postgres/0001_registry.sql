-- The registry (models, revisions, lineage), terms and acceptances, decisions and the audit log.

CREATE TABLE models (
    -- Pages are cut by name, in the order of bytes.
    name TEXT COLLATE "C" PRIMARY KEY,
    license TEXT NOT NULL,
    -- How the hub knows the license.
    license_source TEXT NOT NULL,
    card JSONB NOT NULL,
    registered_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE variants (
    model TEXT COLLATE "C" NOT NULL REFERENCES models (name),
    place BIGINT NOT NULL,
    name TEXT NOT NULL,
    file_bytes BIGINT,
    memory_bytes BIGINT,
    note TEXT,
    PRIMARY KEY (model, name)
);

-- What a model was made from. A parent need not be registered: then its license is unknown.
CREATE TABLE lineage_edges (
    child TEXT COLLATE "C" NOT NULL REFERENCES models (name),
    parent TEXT COLLATE "C" NOT NULL,
    relation TEXT NOT NULL CHECK (relation IN ('finetune', 'quantization', 'adapter', 'merge', 'distillation')),
    evidence TEXT NOT NULL,
    PRIMARY KEY (child, parent, relation)
);

-- The exact text of licenses, as it came with weights. Never changed, never removed.
CREATE TABLE terms (
    license TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    text TEXT NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (license, sha256)
);

-- A revision is named by the digest of its manifest; two models may have the same files.
CREATE TABLE revisions (
    model TEXT COLLATE "C" NOT NULL REFERENCES models (name),
    sha256 TEXT COLLATE "C" NOT NULL,
    terms_sha256 TEXT,
    bytes BIGINT NOT NULL,
    imported_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (model, sha256)
);
CREATE INDEX revisions_newest ON revisions (model, imported_at, sha256);

CREATE TABLE artifacts (
    revision_sha256 TEXT NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (revision_sha256, path)
);

-- Which of the times are set tells the state; the checks leave no other combination.
CREATE TABLE acceptances (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at TIMESTAMPTZ NOT NULL,
    license TEXT NOT NULL,
    terms_sha256 TEXT NOT NULL,
    purposes JSONB NOT NULL,
    signer_name TEXT NOT NULL,
    signer_title TEXT NOT NULL,
    registration_number TEXT,
    evidence TEXT,
    active_since TIMESTAMPTZ,
    approved_at TIMESTAMPTZ,
    approved_by_tenant TEXT,
    approved_by_member TEXT,
    rejected_at TIMESTAMPTZ,
    rejected_by_tenant TEXT,
    rejected_by_member TEXT,
    rejected_reason TEXT,
    revoked_at TIMESTAMPTZ,
    revoked_by_tenant TEXT,
    revoked_by_member TEXT,
    revoked_reason TEXT,
    FOREIGN KEY (license, terms_sha256) REFERENCES terms (license, sha256),
    CONSTRAINT rejected_was_never_active CHECK (rejected_at IS NULL OR active_since IS NULL),
    CONSTRAINT revoked_was_active CHECK (revoked_at IS NULL OR active_since IS NOT NULL)
);
CREATE INDEX acceptances_of_tenant ON acceptances (tenant, id);

CREATE TABLE decisions (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT NOT NULL,
    member TEXT NOT NULL,
    model TEXT NOT NULL,
    revision_sha256 TEXT NOT NULL,
    purpose TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('allowed', 'refused')),
    terms_sha256 TEXT,
    duties JSONB NOT NULL,
    reasons JSONB NOT NULL
);
CREATE INDEX decisions_of_tenant ON decisions (tenant, id);

CREATE TABLE audit_entries (
    id TEXT COLLATE "C" PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL,
    tenant TEXT NOT NULL,
    member TEXT,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    decision TEXT,
    detail JSONB NOT NULL
);
CREATE INDEX audit_entries_of_tenant ON audit_entries (tenant, id);

-- Raised by every revocation; a grant from before it is void.
CREATE TABLE tenant_epochs (
    tenant TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL CHECK (epoch > 0)
);
