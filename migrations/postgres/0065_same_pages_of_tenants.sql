-- Which batches of a tenant have the same page: what is repeatable about it is computed once.
CREATE INDEX pages_first_of_tenant ON pages (tenant, sha256, id) WHERE same_as IS NULL;
