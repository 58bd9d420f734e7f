-- How webhooks of an endpoint are signed and in which form they come; and what they were signed with before, for as long
-- as that is used too.

ALTER TABLE webhook_endpoints ADD COLUMN signature TEXT COLLATE "C" NOT NULL DEFAULT 'v1'
    CHECK (signature IN ('v1', 'v1a', 'both'));
ALTER TABLE webhook_endpoints ADD COLUMN form TEXT COLLATE "C" NOT NULL DEFAULT 'standard'
    CHECK (form IN ('standard', 'cloudevents'));
-- The private key in the clear, as the secret is, and its public half.
ALTER TABLE webhook_endpoints ADD COLUMN seed TEXT COLLATE "C";
ALTER TABLE webhook_endpoints ADD COLUMN public_key TEXT COLLATE "C";
ALTER TABLE webhook_endpoints ADD COLUMN previous_secret TEXT COLLATE "C";
ALTER TABLE webhook_endpoints ADD COLUMN previous_seed TEXT COLLATE "C";
ALTER TABLE webhook_endpoints ADD COLUMN previous_public_key TEXT COLLATE "C";
ALTER TABLE webhook_endpoints ADD COLUMN previous_until TIMESTAMPTZ;
