-- Changes of models' cards, which others agree to before they are in force.

-- How often a card changed: a change is of the card that it was proposed for, and of no other.
ALTER TABLE models ADD COLUMN card_version INTEGER NOT NULL DEFAULT 0;

CREATE TABLE card_changes (
    id TEXT PRIMARY KEY,
    model TEXT NOT NULL REFERENCES models (name),
    tenant TEXT NOT NULL,
    member TEXT NOT NULL,
    proposed_at TEXT NOT NULL,
    reason TEXT NOT NULL,
    card_version INTEGER NOT NULL,
    facts TEXT NOT NULL,
    differences TEXT NOT NULL,
    -- How many others have to agree, who did, and how many that are.
    needed INTEGER NOT NULL,
    approvals TEXT NOT NULL,
    approved INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL CHECK (state IN ('proposed', 'approved', 'rejected', 'withdrawn')),
    settled_at TEXT,
    settled_by TEXT,
    note TEXT,
    CONSTRAINT settled_at_some_time CHECK ((state = 'proposed') = (settled_at IS NULL))
);

CREATE INDEX card_changes_of_model ON card_changes (model, id);
CREATE INDEX card_changes_open ON card_changes (state, id);
