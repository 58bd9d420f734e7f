-- Weights that registrars put into the bucket in parts, until the hub has read them and made a revision of them.
CREATE TABLE model_uploads (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    member TEXT NOT NULL,
    model TEXT NOT NULL REFERENCES models (name),
    -- The digest of the list of its files: who opens the same again goes on with it.
    files_sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    opened_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'checking', 'completed', 'refused', 'aborted', 'expired')),
    -- Until when the hub that reads it has it to itself.
    held_until TEXT,
    ended_at TEXT,
    revision_sha256 TEXT,
    refusal TEXT,
    -- Since when nothing of it is left in the bucket but blobs.
    cleared_at TEXT,
    CONSTRAINT ended_at_some_time CHECK ((state IN ('open', 'checking')) = (ended_at IS NULL)),
    CONSTRAINT completed_as_a_revision CHECK ((state = 'completed') = (revision_sha256 IS NOT NULL)),
    CONSTRAINT refused_for_a_reason CHECK ((state = 'refused') = (refusal IS NOT NULL))
);

CREATE UNIQUE INDEX model_uploads_of_the_same ON model_uploads (tenant, model, files_sha256)
    WHERE ended_at IS NULL;
CREATE INDEX model_uploads_uncleared ON model_uploads (state, id) WHERE cleared_at IS NULL;

CREATE TABLE model_upload_files (
    upload TEXT NOT NULL REFERENCES model_uploads (id),
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    -- How large its parts are; nothing for a file that the model has already.
    part_bytes INTEGER,
    -- How the bucket calls the upload of its parts, and since when they are one object.
    parts_id TEXT,
    joined_at TEXT,
    PRIMARY KEY (upload, path)
);
