-- The tokens of an answer with the logarithms of their probabilities, where they were asked for.

ALTER TABLE answers ADD COLUMN logprobs TEXT;
