-- Changes of models' cards, which others agree to before they are in force.

-- How often a card changed: a change is of the card that it was proposed for, and of no other.
ALTER TABLE models ADD COLUMN card_version BIGINT NOT NULL DEFAULT 0;

CREATE TABLE card_changes (
    id TEXT COLLATE "C" PRIMARY KEY,
    model TEXT COLLATE "C" NOT NULL REFERENCES models (name),
    tenant TEXT COLLATE "C" NOT NULL,
    member TEXT COLLATE "C" NOT NULL,
    proposed_at TIMESTAMPTZ NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    card_version BIGINT NOT NULL,
    facts JSONB NOT NULL,
    differences JSONB NOT NULL,
    -- How many others have to agree, who did, and how many that are.
    needed BIGINT NOT NULL,
    approvals JSONB NOT NULL,
    approved BIGINT NOT NULL DEFAULT 0,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('proposed', 'approved', 'rejected', 'withdrawn')),
    settled_at TIMESTAMPTZ,
    settled_by TEXT COLLATE "C",
    note TEXT COLLATE "C",
    CONSTRAINT settled_at_some_time CHECK ((state = 'proposed') = (settled_at IS NULL))
);

CREATE INDEX card_changes_of_model ON card_changes (model, id);
CREATE INDEX card_changes_open ON card_changes (state, id);
