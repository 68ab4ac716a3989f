//! Choices that can be made again from a seed.

/// `SplitMix64`, by Sebastiano Vigna: small, and good enough to choose.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn from(seed: u64) -> Self {
        Self(seed)
    }

    /// Another one, for somebody else to choose with.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below another.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let number = self.next() % u64::try_from(end).expect("a small number");
        usize::try_from(number).expect("below a small number")
    }

    /// One of several.
    pub(crate) fn one_of<'a, T>(&mut self, several: &'a [T]) -> &'a T {
        &several[self.below(several.len())]
    }

    /// Takes one of several.
    pub(crate) fn take<T>(&mut self, several: &mut Vec<T>) -> T {
        let one = self.below(several.len());
        several.swap_remove(one)
    }
}
