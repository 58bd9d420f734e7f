-- What the catalogue is searched by, and which cards came with the hub.

ALTER TABLE models ADD COLUMN family TEXT;
ALTER TABLE models ADD COLUMN modality TEXT;
-- Lower case: name, publisher, family and summaries.
ALTER TABLE models ADD COLUMN words TEXT NOT NULL DEFAULT '';
-- The digest of the seed's entry that the card came from. Such cards follow the hub's releases; those of others stay.
ALTER TABLE models ADD COLUMN seed_sha256 TEXT;
UPDATE models SET family = json_extract(card, '$.family'), modality = json_extract(card, '$.modality'),
    words = lower(name || ' ' || COALESCE(json_extract(card, '$.summary'), ''));
UPDATE models SET seed_sha256 = ''
    WHERE name IN ('THUDM/glm-4v-9b', 'THUDM/glm-4-9b', 'glmhub/demo-doc-reader');
CREATE INDEX models_of_family ON models (family, name);
CREATE INDEX lineage_edges_of_parent ON lineage_edges (parent, child);
