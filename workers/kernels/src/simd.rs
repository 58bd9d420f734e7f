//! One body of code, compiled for several instruction sets and chosen at the first use.
//!
//! A kernel is a [`Work`] whose body is inlined into a function that may use the wider instructions. The body itself
//! is safe and portable; only the jump into the wider function is not, because it is the caller who has to know
//! that the processor has them.

use crate::micro::Factors;
use std::sync::OnceLock;

/// What the compiler may assume inside a body.
pub trait Isa: Copy {
    /// `a * b + c`: fused where the instruction set has it.
    fn mul_add(a: f32, b: f32, c: f32) -> f32;

    /// See [`crate::micro::products`].
    #[inline(always)]
    fn products<const R: usize, const L: usize>(
        factors: Factors<R>,
        lanes: &[[f32; L]],
        sums: [[f32; L]; R],
    ) -> [[f32; L]; R] {
        crate::micro::plain::<Self, R, L>(factors, lanes, sums)
    }
}

/// The instructions that every processor of the target has.
#[derive(Clone, Copy)]
pub struct Portable;

/// 128-bit vectors with fused multiply-add.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy)]
pub struct OnNeon;

/// 256-bit vectors with fused multiply-add.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct OnAvx2;

/// 512-bit vectors with fused multiply-add.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct OnAvx512;

impl Isa for Portable {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// An instruction set with fused multiply-add, whose innermost loop is the one of its name.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! fused {
    ($isa:ident, $vectors:ident, $products:ident) => {
        #[expect(
            unsafe_code,
            reason = "only a function compiled for these instructions carries out a body with this type"
        )]
        impl Isa for $isa {
            #[inline(always)]
            fn mul_add(a: f32, b: f32, c: f32) -> f32 {
                a.mul_add(b, c)
            }

            #[inline(always)]
            fn products<const R: usize, const L: usize>(
                factors: Factors<R>,
                lanes: &[[f32; L]],
                sums: [[f32; L]; R],
            ) -> [[f32; L]; R] {
                // SAFETY: this type is only given to bodies by the function below of the loop's name, which needs the
                // same instructions, or where every processor of the target has them.
                unsafe { crate::micro::$vectors::$products(factors, lanes, sums) }
            }
        }
    };
}

#[cfg(target_arch = "aarch64")]
fused!(OnNeon, neon, on_neon);
#[cfg(target_arch = "x86_64")]
fused!(OnAvx2, x86, on_avx2);
#[cfg(target_arch = "x86_64")]
fused!(OnAvx512, x86, on_avx512);

/// A kernel's body. Implementations mark `carry_out` as `#[inline(always)]`.
pub trait Work {
    type Output;
    fn carry_out<I: Isa>(self) -> Self::Output;
}

/// The instruction sets that bodies are compiled for, narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Portable,
    /// 128-bit vectors with fused multiply-add, which every processor of aarch64 has.
    Neon,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
}

/// The widest level of this processor.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(detect)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    use std::arch::is_x86_feature_detected as has;
    if !(has!("avx2") && has!("fma")) {
        return Level::Portable;
    }
    if has!("avx512f") && has!("avx512vl") && has!("avx512bw") && has!("avx512dq") {
        Level::Avx512
    } else {
        Level::Avx2
    }
}

#[cfg(target_arch = "aarch64")]
fn detect() -> Level {
    Level::Neon
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detect() -> Level {
    Level::Portable
}

/// Carries out `work` with the widest instructions of this processor.
pub fn dispatch<W: Work>(work: W) -> W::Output {
    match level() {
        Level::Portable => work.carry_out::<Portable>(),
        wider => on_wider(wider, work),
    }
}

#[cfg(target_arch = "aarch64")]
fn on_wider<W: Work>(_: Level, work: W) -> W::Output {
    work.carry_out::<OnNeon>()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn on_wider<W: Work>(_: Level, work: W) -> W::Output {
    work.carry_out::<Portable>()
}

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "entering a function compiled for more instructions than the target's baseline"
)]
fn on_wider<W: Work>(level: Level, work: W) -> W::Output {
    match level {
        // SAFETY: `detect` gives this level only when the processor reports every feature that `on_avx512` enables.
        Level::Avx512 => unsafe { on_avx512(work) },
        // SAFETY: `detect` gives any other level above `Portable` here only with AVX2 and FMA.
        _ => unsafe { on_avx2(work) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
fn on_avx512<W: Work>(work: W) -> W::Output {
    work.carry_out::<OnAvx512>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn on_avx2<W: Work>(work: W) -> W::Output {
    work.carry_out::<OnAvx2>()
}
