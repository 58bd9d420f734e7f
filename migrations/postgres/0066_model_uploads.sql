-- Weights that registrars put into the bucket in parts, until the hub has read them and made a revision of them.
CREATE TABLE model_uploads (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    member TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL REFERENCES models (name),
    -- The digest of the list of its files: who opens the same again goes on with it.
    files_sha256 TEXT COLLATE "C" NOT NULL,
    bytes BIGINT NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'checking', 'completed', 'refused', 'aborted', 'expired')),
    -- Until when the hub that reads it has it to itself.
    held_until TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    revision_sha256 TEXT COLLATE "C",
    refusal TEXT COLLATE "C",
    -- Since when nothing of it is left in the bucket but blobs.
    cleared_at TIMESTAMPTZ,
    CONSTRAINT ended_at_some_time CHECK ((state IN ('open', 'checking')) = (ended_at IS NULL)),
    CONSTRAINT completed_as_a_revision CHECK ((state = 'completed') = (revision_sha256 IS NOT NULL)),
    CONSTRAINT refused_for_a_reason CHECK ((state = 'refused') = (refusal IS NOT NULL))
);

CREATE UNIQUE INDEX model_uploads_of_the_same ON model_uploads (tenant, model, files_sha256)
    WHERE ended_at IS NULL;
CREATE INDEX model_uploads_uncleared ON model_uploads (state, id) WHERE cleared_at IS NULL;

CREATE TABLE model_upload_files (
    upload TEXT COLLATE "C" NOT NULL REFERENCES model_uploads (id),
    path TEXT COLLATE "C" NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    bytes BIGINT NOT NULL,
    -- How large its parts are; nothing for a file that the model has already.
    part_bytes BIGINT,
    -- How the bucket calls the upload of its parts, and since when they are one object.
    parts_id TEXT COLLATE "C",
    joined_at TIMESTAMPTZ,
    PRIMARY KEY (upload, path)
);
