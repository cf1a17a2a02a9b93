//! Which vectors the processor has: AVX-512, AVX2 with fused multiplication and addition, SSE2, or NEON.

use fearless_simd::{Level, Simd};

/// Work that is compiled once for each kind of vectors.
///
/// `P` points times `V` vectors of sums are what the registers hold at a time.
pub(crate) trait Work {
    type Outcome;

    /// All that it calls with a `Simd` must be `#[inline(always)]`, or it is compiled without the vectors.
    fn run<S: Simd, const P: usize, const V: usize>(self, simd: S) -> Self::Outcome;
}

/// Whether the processor has vectors that are worth it: on others the engine's own kernels are faster.
pub fn is_vectorised() -> bool {
    #[cfg(target_arch = "x86_64")]
    return Level::new().as_avx2().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    return !Level::new().is_fallback();
}

/// Does the work with the vectors of this processor.
#[cfg(target_arch = "x86_64")]
pub(crate) fn dispatch<W: Work>(work: W) -> W::Outcome {
    let level = Level::new();
    if let Some(simd) = level.as_avx512() {
        simd.vectorize(
            #[inline(always)]
            || work.run::<_, 8, 3>(simd),
        )
    } else if let Some(simd) = level.as_avx2() {
        simd.vectorize(
            #[inline(always)]
            || work.run::<_, 6, 2>(simd),
        )
    } else {
        plain(level, work)
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn dispatch<W: Work>(work: W) -> W::Outcome {
    plain(Level::new(), work)
}

/// The vectors that every processor of the target has; all 64-bit ARMs have NEON.
fn plain<W: Work>(level: Level, work: W) -> W::Outcome {
    #[cfg(target_arch = "x86_64")]
    return match level.as_sse2() {
        // Nobody asks for it: the engine's kernels are faster there.
        Some(simd) => work.run::<_, 1, 1>(simd),
        None => unreachable!("x86-64 has SSE2"),
    };
    #[cfg(not(target_arch = "x86_64"))]
    return fearless_simd::dispatch!(level, simd => work.run::<_, 8, 3>(simd));
}

/// Numbers of a vector, and most vectors side by side.
pub(crate) fn lanes() -> (usize, usize) {
    struct Lanes;
    impl Work for Lanes {
        type Outcome = (usize, usize);

        #[inline(always)]
        fn run<S: Simd, const P: usize, const V: usize>(self, _: S) -> (usize, usize) {
            (<S::f32s as fearless_simd::SimdBase<S>>::LEN, V)
        }
    }
    dispatch(Lanes)
}
