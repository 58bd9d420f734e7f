-- The tenant whose registrar has registered a model: its registrars may bring weights of it. Nothing for models that came
-- with the hub or with an import at its machine.
ALTER TABLE models ADD COLUMN registered_by TEXT COLLATE "C";
UPDATE models SET registered_by = (SELECT MIN(tenant) FROM audit_entries
    WHERE kind = 'model.registered' AND subject = models.name)
WHERE name IN (SELECT subject FROM audit_entries WHERE kind = 'model.registered');
