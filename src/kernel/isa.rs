//! An instruction set in, its kernels out: which ones there are, which of them the processor has, and what each can do.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::activations::{Bundle, MAX_BUNDLE_ROWS};
use super::attention::{Lanes, Softmax};
use super::format::{Format, Matrix};
use super::pack::{COLUMNS, Panel};
use super::portable;
#[cfg(target_arch = "x86_64")]
use super::{avx_vnni, avx2, avx512};

/// Calls the function of this name for an instruction set.
macro_rules! dispatch {
    ($isa:expr, $function:ident($($arg:expr),*)) => {
        match $isa {
            // SAFETY: `available` gives this value only where the processor has the features.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::$function($($arg),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni | Isa::Avx2 => unsafe { avx2::$function($($arg),*) },
            Isa::Portable => portable::$function($($arg),*),
        }
    };
}

/// The functions that are plain Rust, compiled once more for the features of an instruction set: closures and callees
/// that are not inlined would not get them. `$fma` says whether a multiplication and an addition are one instruction.
macro_rules! compiled_for {
    ($(#[$features:meta])? fma: $fma:literal) => {
        $(#[$features])?
        pub(super) fn soften<const N: usize>(
            scores: &mut [Lanes<N>],
            first: usize,
            softmax: &mut Softmax<N>,
        ) -> Lanes<N> {
            super::attention::soften::<N, $fma>(scores, first, softmax)
        }

        $(#[$features])?
        pub(super) fn gate(x: &mut [f32], up: &[f32]) {
            super::exp::gate::<$fma>(x, up);
        }

        $(#[$features])?
        pub(super) fn norm(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
            super::rows::norm(x, weight, eps, y);
        }

        $(#[$features])?
        pub(super) fn project(x: &[f32], weights: &[f32], y: &mut [f32]) {
            super::delta::project::<$fma>(x, weights, y);
        }

        $(#[$features])?
        pub(super) fn filter(x: &[f32], taps: &[f32], y: &mut [f32]) {
            super::delta::filter::<$fma>(x, taps, y);
        }

        $(#[$features])?
        pub(super) fn unit(x: &[f32], scale: f32, y: &mut [f32]) {
            super::delta::unit::<$fma>(x, scale, y);
        }

        $(#[$features])?
        pub(super) fn recall(
            query: &[f32],
            key: &[f32],
            value: &[f32],
            gates: [f32; 2],
            old: &[[f32; 32]],
            new: &mut [[std::mem::MaybeUninit<f32>; 32]],
            read: &mut [f32],
        ) {
            super::delta::recall::<$fma>(query, key, value, gates, old, new, read);
        }

        $(#[$features])?
        pub(super) fn fade(row: &mut Lanes<32>, since: &Lanes<32>, now: f32, factor: f32, n: usize) {
            super::delta::fade::<$fma>(row, since, now, factor, n);
        }

        $(#[$features])?
        pub(super) fn substitute(lower: &[Lanes<32>], x: &mut [Lanes<32>]) {
            super::delta::substitute::<$fma>(lower, x);
        }

        $(#[$features])?
        pub(super) fn open(x: &mut [f32], gate: &[f32]) {
            super::exp::open::<$fma>(x, gate);
        }

        $(#[$features])?
        pub(super) fn activate(x: &mut [f32]) {
            super::encoder::activate::<$fma>(x);
        }

        $(#[$features])?
        pub(super) fn normalize(x: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
            super::encoder::normalize(x, weight, bias, epsilon);
        }

        $(#[$features])?
        pub(super) fn multiply_bytes(a: &[i16], b: &[u8], n_bytes: usize, products: &mut [i32]) {
            super::encoder::multiply_bytes(a, b, n_bytes, products);
        }
    };
}
pub(super) use compiled_for;

/// An instruction set that there are kernels for, and that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 with VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 with AVX-VNNI.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// AVX2 with FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every processor has.
    Portable,
}

impl Isa {
    /// What all of them are called, those included that this machine's kind of processor never has.
    pub(super) const NAMES: [&'static str; 4] = ["avx512", "avxvnni", "avx2", "portable"];

    /// All that this processor has, the best first.
    pub fn available() -> Vec<Isa> {
        let mut available = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if avx512::is_supported() {
                available.push(Isa::Avx512);
            }
            if avx_vnni::is_supported() {
                available.push(Isa::AvxVnni);
            }
            if avx2::is_supported() {
                available.push(Isa::Avx2);
            }
        }
        available.push(Isa::Portable);
        available
    }

    /// What `PRECIS_ISA` calls it.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => "avxvnni",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            Isa::Portable => "portable",
        }
    }

    /// Rows that a kernel takes at once; at most [`MAX_BUNDLE_ROWS`].
    pub(super) fn bundle_rows(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::AvxVnni => MAX_BUNDLE_ROWS,
            _ => 4,
        }
    }

    /// The most rows that are multiplied as a single row is. More rows may take another road, whose sums are in
    /// another order; on each road a row's product does not depend on the rows beside it.
    pub(super) fn few_rows(self) -> usize {
        2 * self.bundle_rows()
    }

    /// How many of `m` rows of activations lie interleaved.
    pub(super) fn interleaved(self, m: usize) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if m <= self.few_rows() => 1,
            _ => self.bundle_rows(),
        }
    }

    /// Whether there are kernels that multiply many rows by a panel.
    pub(super) fn has_panels(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::AvxVnni | Isa::Avx2 => true,
            Isa::Portable => false,
        }
    }

    /// Among how many partial sums `dot` divides a start, if it has any use for starts.
    pub(super) fn dot_lanes(self, format: Format) -> Option<i32> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Some(avx512::dot_lanes(format)),
            _ => {
                let _ = format;
                None
            }
        }
    }

    /// What stands for 0 in the integer sums of `multiply`.
    pub(super) fn zero(self) -> i32 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::AvxVnni => avx512::ZERO.to_bits() as i32,
            _ => 0,
        }
    }

    /// See `activations::quantize_bundle`.
    pub(super) fn quantize(
        self,
        x: &[f32],
        n_rows: usize,
        quants: &mut [i8],
        scales: &mut [f32],
        sums: &mut [[i32; 2]],
        scaled_sums: &mut [f32],
    ) {
        dispatch!(self, quantize(x, n_rows, quants, scales, sums, scaled_sums))
    }

    /// The products of some rows of weights, from `first_row`, with each row of a bundle.
    pub(super) fn dot(
        self,
        weights: &Matrix<'_>,
        first_row: usize,
        x: &Bundle<'_>,
        products: &mut [[f32; MAX_BUNDLE_ROWS]],
    ) {
        dispatch!(self, dot(weights, first_row, x, products))
    }

    /// Expands columns of weights, where there are panels.
    pub(super) fn pack(self, weights: &Matrix<'_>, first_column: usize, groups: Range<usize>, panel: &mut Panel) {
        match self {
            // SAFETY: as in `dispatch`.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::pack(weights, first_column, groups, panel) },
            // SAFETY: as in `dispatch`.
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni | Isa::Avx2 => unsafe { avx2::pack(weights, first_column, groups, panel) },
            Isa::Portable => unreachable!("there are no panels"),
        }
    }

    /// Adds to a tile of the product what a panel gives.
    pub(super) fn multiply(
        self,
        format: Format,
        panel: &Panel,
        groups: Range<usize>,
        x: &Bundle<'_>,
        tile: &mut [[f32; COLUMNS]],
    ) {
        match self {
            // SAFETY: as in `dispatch`.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::multiply(format, panel, groups, x, tile) },
            // SAFETY: as in `dispatch`.
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => unsafe { avx_vnni::multiply(format, panel, groups, x, tile) },
            // SAFETY: as in `dispatch`.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2::multiply(format, panel, groups, x, tile) },
            Isa::Portable => unreachable!("there are no panels"),
        }
    }

    /// Writes `beta * sums + a * b` to `sums`, (row, lane), where number (row, k) of `a` stands at
    /// `row * strides.0 + k * strides.1`, `b` is (k, lane) and `beta` has a factor for each lane. Without `beta`, what
    /// was in `sums` does not count. `N` is 16 or 32.
    pub(super) fn tile<const N: usize>(
        self,
        a: &[f32],
        strides: (usize, usize),
        b: &[Lanes<N>],
        beta: Option<&Lanes<N>>,
        sums: &mut [Lanes<N>],
    ) {
        dispatch!(self, tile(a, strides, b, beta, sums))
    }

    /// See `attention::soften`.
    pub(super) fn soften<const N: usize>(
        self,
        scores: &mut [Lanes<N>],
        first: usize,
        softmax: &mut Softmax<N>,
    ) -> Lanes<N> {
        dispatch!(self, soften(scores, first, softmax))
    }

    /// See `rows::norm`.
    pub(super) fn norm(self, x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
        dispatch!(self, norm(x, weight, eps, y))
    }

    /// See `exp::gate`.
    pub(super) fn gate(self, x: &mut [f32], up: &[f32]) {
        dispatch!(self, gate(x, up))
    }

    /// See `delta::project`.
    pub(super) fn project(self, x: &[f32], weights: &[f32], y: &mut [f32]) {
        dispatch!(self, project(x, weights, y))
    }

    /// See `delta::filter`.
    pub(super) fn filter(self, x: &[f32], taps: &[f32], y: &mut [f32]) {
        dispatch!(self, filter(x, taps, y))
    }

    /// See `delta::unit`.
    pub(super) fn unit(self, x: &[f32], scale: f32, y: &mut [f32]) {
        dispatch!(self, unit(x, scale, y))
    }

    /// See `delta::recall`.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn recall(
        self,
        query: &[f32],
        key: &[f32],
        value: &[f32],
        gates: [f32; 2],
        old: &[[f32; 32]],
        new: &mut [[MaybeUninit<f32>; 32]],
        read: &mut [f32],
    ) {
        dispatch!(self, recall(query, key, value, gates, old, new, read))
    }

    /// See `delta::fade`.
    pub(super) fn fade(self, row: &mut Lanes<32>, since: &Lanes<32>, now: f32, factor: f32, n: usize) {
        dispatch!(self, fade(row, since, now, factor, n))
    }

    /// See `delta::substitute`.
    pub(super) fn substitute(self, lower: &[Lanes<32>], x: &mut [Lanes<32>]) {
        dispatch!(self, substitute(lower, x))
    }

    /// See `exp::open`.
    pub(super) fn open(self, x: &mut [f32], gate: &[f32]) {
        dispatch!(self, open(x, gate))
    }

    /// See `encoder::activate`.
    pub(super) fn activate(self, x: &mut [f32]) {
        dispatch!(self, activate(x))
    }

    /// See `encoder::normalize`.
    pub(super) fn normalize(self, x: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
        dispatch!(self, normalize(x, weight, bias, epsilon))
    }

    /// See `encoder::byte_products`.
    pub(super) fn multiply_bytes(self, a: &[i16], b: &[u8], n_bytes: usize, products: &mut [i32]) {
        dispatch!(self, multiply_bytes(a, b, n_bytes, products))
    }
}
