//! One matrix written by several threads, each its own columns.

#![expect(unsafe_code, reason = "threads write disjoint columns of one slice")]

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Rows of `width` values that threads fill, each other columns.
pub(crate) struct Columns<'a, T = f32> {
    values: *mut T,
    rows: usize,
    width: usize,
    borrowed: PhantomData<&'a mut [T]>,
}

// SAFETY: `write` is the only access, and its callers promise that no two of them write one place.
unsafe impl<T: Send> Sync for Columns<'_, T> {}

impl<'a, T: Copy> Columns<'a, T> {
    pub(crate) fn of(values: &'a mut [T], width: usize) -> Self {
        Self {
            rows: values.len() / width,
            width,
            values: values.as_mut_ptr(),
            borrowed: PhantomData,
        }
    }

    /// The same of values that nobody has written yet.
    pub(crate) fn of_spare(values: &'a mut [MaybeUninit<T>], width: usize) -> Self {
        Self {
            rows: values.len() / width,
            width,
            values: values.as_mut_ptr().cast(),
            borrowed: PhantomData,
        }
    }

    /// Writes a part of a row.
    ///
    /// # Safety
    ///
    /// No other thread writes to the same place as long as this is borrowed.
    pub(crate) unsafe fn write(&self, row: usize, column: usize, part: &[T]) {
        assert!(row < self.rows && column + part.len() <= self.width);
        // SAFETY: the place is within the slice, as was just checked, and the caller writes there alone.
        unsafe {
            let to = self.values.add(row * self.width + column);
            to.copy_from_nonoverlapping(part.as_ptr(), part.len());
        }
    }
}
