//! Random projects, rows and expressions, all from a seed: what the reference and the engines are asked.

mod compare;
mod engine;
mod expression;
mod project;
mod rows;
mod segment;
mod source;

pub use compare::{Difference, Report, Round};
pub use engine::Engine;
pub use source::Source;

/// Marsaglia's xorshift: small, seeded, the same on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator whose first numbers differ even for seeds that follow one another.
    pub fn new(seed: u64) -> Self {
        let mut random = Random((seed ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9) | 1);
        random.number();
        random
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from 0 up to, but not, `n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.number() >> 16) % n.max(1) as u64) as usize
    }

    /// A share from 0.0 up to, but not, 1.0.
    pub fn share(&mut self) -> f64 {
        self.below(1 << 20) as f64 / f64::from(1 << 20)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
