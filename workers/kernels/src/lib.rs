//! CPU arithmetic on slices: no candle, no I/O.
//!
//! Every kernel here has a plain scalar form in its tests; that form is the specification, and the fast form must
//! stay within a stated bound of it. Loops are written so that the compiler vectorises them for the instruction set
//! that [`simd::dispatch`] finds on the processor at hand.

pub mod activation;
pub mod attention;
pub mod dense;
mod finish;
mod micro;
pub mod norm;
pub mod peak;
pub mod pool;
pub mod product;
pub mod quant;
pub mod rope;
pub mod simd;
pub mod tiles;

pub use finish::Finish;
