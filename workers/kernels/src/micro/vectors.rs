//! The innermost loop with the vectors named: left to itself, the compiler may put a row's values side by side instead of
//! the lanes, which it then has to gather one by one. That took twenty times as long.

/// All loops are one text: only the vectors differ. A sum runs over its products in the order of the specification.
macro_rules! with_vectors {
    ($name:ident, $isa:ident, $features:literal, $width:literal, $most:ident, $load:ident, $store:ident, $zero:ident, $all:ident, $fma:ident) => {
        /// As `plain`.
        #[inline]
        #[target_feature(enable = $features)]
        pub(crate) fn $name<const R: usize, const L: usize>(
            factors: $crate::micro::Factors<R>,
            lanes: &[[f32; L]],
            mut sums: [[f32; L]; R],
        ) -> [[f32; L]; R] {
            if !(L.is_multiple_of($width) && L / $width <= $most) {
                return $crate::micro::plain::<$isa, R, L>(factors, lanes, sums);
            }
            let mut held = [[$zero(); $most]; R];
            for (held, sums) in held.iter_mut().zip(&sums) {
                for (held, sums) in held.iter_mut().zip(sums.as_chunks::<$width>().0) {
                    // SAFETY: a whole vector of values is there, and the load needs no alignment.
                    *held = unsafe { $load(sums.as_ptr()) };
                }
            }
            factors.check(lanes.len());
            for (step, lanes) in lanes.iter().enumerate() {
                let mut beside = [$zero(); $most];
                for (beside, lanes) in beside.iter_mut().zip(lanes.as_chunks::<$width>().0) {
                    // SAFETY: as above.
                    *beside = unsafe { $load(lanes.as_ptr()) };
                }
                for r in 0..R {
                    // SAFETY: so many steps are there, as was checked.
                    let factor = $all(unsafe { *factors.rows[r].get_unchecked(step * factors.stride) });
                    for n in 0..L / $width {
                        held[r][n] = $fma(factor, beside[n], held[r][n]);
                    }
                }
            }
            for (held, sums) in held.iter().zip(&mut sums) {
                for (held, sums) in held.iter().zip(sums.as_chunks_mut::<$width>().0) {
                    // SAFETY: there is room for a whole vector.
                    unsafe { $store(sums.as_mut_ptr(), *held) };
                }
            }
            sums
        }
    };
}

pub(super) use with_vectors;
