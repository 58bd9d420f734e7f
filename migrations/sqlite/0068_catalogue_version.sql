-- How often anything was changed that pages of the catalogue tell: a page that is kept is good while this stays.
CREATE TABLE catalogue_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO catalogue_version (id, version) VALUES (1, 0);

CREATE TRIGGER models_added AFTER INSERT ON models
    BEGIN UPDATE catalogue_version SET version = version + 1; END;
CREATE TRIGGER models_changed AFTER UPDATE ON models
    BEGIN UPDATE catalogue_version SET version = version + 1; END;
CREATE TRIGGER models_removed AFTER DELETE ON models
    BEGIN UPDATE catalogue_version SET version = version + 1; END;
CREATE TRIGGER variants_added AFTER INSERT ON variants
    BEGIN UPDATE catalogue_version SET version = version + 1; END;
CREATE TRIGGER variants_changed AFTER UPDATE ON variants
    BEGIN UPDATE catalogue_version SET version = version + 1; END;
CREATE TRIGGER variants_removed AFTER DELETE ON variants
    BEGIN UPDATE catalogue_version SET version = version + 1; END;
CREATE TRIGGER lineage_edges_added AFTER INSERT ON lineage_edges
    BEGIN UPDATE catalogue_version SET version = version + 1; END;
CREATE TRIGGER lineage_edges_changed AFTER UPDATE ON lineage_edges
    BEGIN UPDATE catalogue_version SET version = version + 1; END;
CREATE TRIGGER lineage_edges_removed AFTER DELETE ON lineage_edges
    BEGIN UPDATE catalogue_version SET version = version + 1; END;
CREATE TRIGGER revisions_added AFTER INSERT ON revisions
    BEGIN UPDATE catalogue_version SET version = version + 1; END;
CREATE TRIGGER revisions_changed AFTER UPDATE ON revisions
    BEGIN UPDATE catalogue_version SET version = version + 1; END;
CREATE TRIGGER revisions_removed AFTER DELETE ON revisions
    BEGIN UPDATE catalogue_version SET version = version + 1; END;

-- Models with about as many parameters are found without going through all.
ALTER TABLE models ADD COLUMN parameters BIGINT GENERATED ALWAYS AS (CAST(card ->> 'parameters' AS BIGINT)) VIRTUAL;
CREATE INDEX models_by_parameters ON models (COALESCE(modality, ''), parameters, name);
