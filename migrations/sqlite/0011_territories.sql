-- Where the tenant is, as a code of ISO 3166-1 alpha-2, where it is asked for that.

ALTER TABLE acceptances ADD COLUMN territory TEXT
    CONSTRAINT territory_is_a_code CHECK (territory IS NULL OR length(territory) = 2);
