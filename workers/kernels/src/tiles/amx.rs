//! The tile unit itself: AMX with bf16.

#![expect(
    unsafe_code,
    reason = "instructions of the tile unit, which the compiler has no names for"
)]

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::marker::PhantomData;
use std::sync::OnceLock;

use super::{Panels, RESULT};
use crate::simd::{Level, level};

/// Whether this processor has the unit and the system lets this process use it.
pub(super) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| has_unit() && is_permitted())
}

fn has_unit() -> bool {
    const BF16_AND_TILES: u32 = 1 << 22 | 1 << 24;
    let wide = level() == Level::Avx512 && std::arch::is_x86_feature_detected!("avx512bf16");
    wide && __cpuid_count(7, 0).edx & BF16_AND_TILES == BF16_AND_TILES
}

/// Linux gives a process the unit's large registers only when it asks for them. All threads share the permission.
fn is_permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let outcome: i64;
    // SAFETY: a call to the system that touches no memory of ours; it overwrites rcx and r11.
    unsafe {
        asm!("syscall", inlateout("rax") ARCH_PRCTL => outcome, in("rdi") REQUEST_PERMISSION, in("rsi") TILE_DATA,
            out("rcx") _, out("r11") _, options(nostack, nomem));
    }
    outcome == 0
}

/// How the eight registers are used: each sixteen rows of 64 bytes.
#[repr(C, align(64))]
struct Shape([u8; 64]);

const SHAPE: Shape = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut register = 0;
    while register < 8 {
        bytes[16 + 2 * register] = 64;
        bytes[48 + register] = 16;
        register += 1;
    }
    Shape(bytes)
};

/// The unit, set up on this thread until it is dropped. It stays on its thread.
pub(super) struct Unit(PhantomData<*const ()>);

impl Unit {
    /// # Panics
    ///
    /// Where there is none.
    pub(super) fn of_this_thread() -> Self {
        assert!(available());
        // SAFETY: the unit is there and permitted.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &SHAPE, options(nostack, readonly)) };
        Self(PhantomData)
    }

    /// As `super::Tiles::multiply`, which has looked at the lengths. Nothing is left out.
    pub(super) fn multiply(&self, panels: &Panels, sums: &mut [f32], stride: usize, fresh: bool) {
        let Panels { left, right, .. } = panels;
        let steps = left[0].len();
        let sums = sums.as_mut_ptr();
        // SAFETY: the unit is set up. All panels have `steps` tiles of 1024 bytes, and the lines that are read and
        // written lie within `sums`, as the caller has checked.
        unsafe {
            asm!(
                "test {fresh}, {fresh}",
                "jz 3f",
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "jmp 2f",
                "3:",
                "tileloadd tmm0, [{upper} + {stride}*1]",
                "tileloadd tmm1, [{upper} + {stride}*1 + 64]",
                "tileloadd tmm2, [{lower} + {stride}*1]",
                "tileloadd tmm3, [{lower} + {stride}*1 + 64]",
                "2:",
                "tileloadd tmm4, [{a} + {line}*1]",
                "tileloadd tmm6, [{c} + {line}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{d} + {line}*1]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{b} + {line}*1]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a}, 1024", "add {b}, 1024", "add {c}, 1024", "add {d}, 1024",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{upper} + {stride}*1], tmm0",
                "tilestored [{upper} + {stride}*1 + 64], tmm1",
                "tilestored [{lower} + {stride}*1], tmm2",
                "tilestored [{lower} + {stride}*1 + 64], tmm3",
                fresh = in(reg) u64::from(fresh),
                upper = in(reg) sums,
                lower = in(reg) sums.add(RESULT / 2 * stride),
                stride = in(reg) stride * size_of::<f32>(),
                line = in(reg) 64usize,
                a = inout(reg) left[0].as_ptr() => _,
                b = inout(reg) left[1].as_ptr() => _,
                c = inout(reg) right[0].as_ptr() => _,
                d = inout(reg) right[1].as_ptr() => _,
                steps = inout(reg) steps => _,
                options(nostack),
            );
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // SAFETY: the unit is there; nobody else on this thread uses it.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}
