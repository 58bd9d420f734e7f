-- The audit log as a Merkle tree: which entry is which leaf, the tree's hashes, and the checkpoints that were signed.

-- Entries that are no leaf yet. Written in the transaction of the entry, emptied by sealing.
CREATE TABLE audit_pending (
    entry TEXT COLLATE "C" PRIMARY KEY REFERENCES audit_entries (id)
);
INSERT INTO audit_pending (entry) SELECT id FROM audit_entries;

CREATE TABLE audit_leaves (
    place BIGINT PRIMARY KEY,
    entry TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES audit_entries (id)
);

-- Hashes of complete subtrees, in the order in which they come to be as leaves are added.
CREATE TABLE audit_hashes (
    place BIGINT PRIMARY KEY,
    sha256 TEXT NOT NULL
);

CREATE TABLE audit_checkpoints (
    size BIGINT PRIMARY KEY,
    signed_at TIMESTAMPTZ NOT NULL,
    note TEXT NOT NULL
);

-- One row: who seals holds it until the end of the transaction.
CREATE TABLE audit_tree (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    size BIGINT NOT NULL CHECK (size >= 0)
);
INSERT INTO audit_tree (one, size) VALUES (1, 0);

-- What a worker was shown: the signed grant of the attempt. What is known of how an answer came to be, signed.
ALTER TABLE attempts ADD COLUMN grant_token TEXT;
ALTER TABLE answers ADD COLUMN provenance TEXT;

-- A guard against mistakes. Whoever goes round it is found out by the tree.
CREATE FUNCTION audit_log_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only appended to';
END;
$$;
CREATE TRIGGER audit_entries_unchanged BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_stays();
CREATE TRIGGER audit_leaves_unchanged BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_leaves
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_stays();
CREATE TRIGGER audit_hashes_unchanged BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_hashes
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_stays();
CREATE TRIGGER audit_checkpoints_unchanged BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_stays();
