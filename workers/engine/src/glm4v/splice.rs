//! Where an image's rows go, and at which positions rows stand.

use std::ops::Range;

/// Ids that stand for an image in a prompt: begin, one placeholder, end.
pub const PLACEHOLDERS: usize = 3;

/// A prompt's rows with an image of `image_rows` rows in the place of its three ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    ids: usize,
    image: Option<(usize, usize)>,
}

impl Splice {
    /// `ids` ids, of which the three from `image_at` on stand for `image_rows` rows.
    pub fn new(ids: usize, image_at: Option<usize>, image_rows: usize) -> Self {
        Self {
            ids,
            image: image_at.map(|at| (at, image_rows)),
        }
    }

    /// Rows that enter the language model.
    pub fn rows(&self) -> usize {
        self.ids + self.image.map_or(0, |(_, rows)| rows - PLACEHOLDERS)
    }

    /// The ids before the image, all of them if there is none.
    pub fn before(&self) -> Range<usize> {
        0..self.image.map_or(self.ids, |(at, _)| at)
    }

    /// The ids after the image.
    pub fn after(&self) -> Range<usize> {
        self.image.map_or(self.ids, |(at, _)| at + PLACEHOLDERS)..self.ids
    }

    /// The position of every row. The rows between the image's frame share one, so that the whole image takes
    /// three steps, as its three ids do.
    pub fn positions(&self) -> Vec<usize> {
        let mut positions: Vec<usize> = self.before().collect();
        if let Some((at, rows)) = self.image {
            positions.push(at);
            positions.extend(std::iter::repeat_n(at + 1, rows - 2));
            positions.push(at + 2);
        }
        positions.extend(self.after());
        positions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_an_image_share_one_position_between_its_frame() {
        let splice = Splice::new(8, Some(2), 6);
        assert_eq!(splice.positions(), [0, 1, 2, 3, 3, 3, 3, 4, 5, 6, 7]);
        assert_eq!((splice.rows(), splice.before(), splice.after()), (11, 0..2, 5..8));
    }

    #[test]
    fn without_an_image_rows_and_positions_are_the_ids() {
        let splice = Splice::new(3, None, 6);
        assert_eq!(splice.positions(), [0, 1, 2]);
        assert_eq!((splice.rows(), splice.before(), splice.after()), (3, 0..3, 3..3));
    }
}
