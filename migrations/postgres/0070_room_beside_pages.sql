-- The attempts at a page are counted in its row, soon after it is written. With room beside it the new row stays in its block,
-- and none of the table's indexes has to be told.
ALTER TABLE pages SET (fillfactor = 50);
