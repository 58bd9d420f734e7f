-- How often anything was changed that pages of the catalogue tell: a page that is kept is good while this stays.
CREATE TABLE catalogue_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO catalogue_version (id, version) VALUES (1, 0);

CREATE FUNCTION catalogue_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalogue_version SET version = version + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER models_changed AFTER INSERT OR UPDATE OR DELETE ON models
    FOR EACH ROW EXECUTE FUNCTION catalogue_changed();
CREATE TRIGGER variants_changed AFTER INSERT OR UPDATE OR DELETE ON variants
    FOR EACH ROW EXECUTE FUNCTION catalogue_changed();
CREATE TRIGGER lineage_edges_changed AFTER INSERT OR UPDATE OR DELETE ON lineage_edges
    FOR EACH ROW EXECUTE FUNCTION catalogue_changed();
CREATE TRIGGER revisions_changed AFTER INSERT OR UPDATE OR DELETE ON revisions
    FOR EACH ROW EXECUTE FUNCTION catalogue_changed();

-- Models with about as many parameters are found without going through all.
ALTER TABLE models ADD COLUMN parameters BIGINT GENERATED ALWAYS AS (CAST(card ->> 'parameters' AS BIGINT)) STORED;
CREATE INDEX models_by_parameters ON models (COALESCE(modality, ''), parameters, name);
