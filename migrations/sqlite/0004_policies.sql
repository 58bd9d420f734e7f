-- What decisions were taken under: the batch's metadata, the hub's site, and the policies in force.
ALTER TABLE decisions ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE decisions ADD COLUMN site TEXT NOT NULL DEFAULT '';
ALTER TABLE decisions ADD COLUMN policies_sha256 TEXT;
-- What a simulation replays, and the batches that stand on it.
CREATE INDEX decisions_by_time ON decisions (at, id);
CREATE INDEX batches_of_decision ON batches (decision);

-- Every set of policy files that was ever in force, by its digest. Never changed, never removed.
CREATE TABLE policy_sets (
    sha256 TEXT PRIMARY KEY,
    files TEXT NOT NULL,
    first_at TEXT NOT NULL
);
