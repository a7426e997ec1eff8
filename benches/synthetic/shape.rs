//! What was measured, as quantiles, and drawing numbers that are distributed like it.
//!
//! Numbers come from a fixed sequence: the same channel in every run and on every machine.

/// Where the quantiles of [`Shape`] stand, in thousandths.
const AT: [usize; 12] = [0, 100, 250, 400, 500, 600, 750, 900, 950, 990, 995, 999];

/// Something that was measured of each package or file.
#[derive(Clone, Copy)]
pub enum Shape {
    /// Bytes of a package's name.
    NameLength,
    /// Bytes of a synopsis.
    SynopsisLength,
    /// Bytes of a description.
    DescriptionLength,
    /// The number of `inputs`.
    Inputs,
    /// The number of `native-inputs`.
    NativeInputs,
    /// The number of `propagated-inputs`.
    PropagatedInputs,
    /// Bytes of the field `arguments`.
    ArgumentsLength,
    /// The number of modules that a file uses.
    ModulesUsed,
}

impl Shape {
    fn quantiles(self) -> [usize; 12] {
        match self {
            Shape::NameLength => [2, 6, 9, 12, 14, 16, 18, 25, 30, 38, 41, 50],
            Shape::SynopsisLength => [6, 23, 30, 35, 39, 43, 49, 58, 63, 72, 75, 83],
            Shape::DescriptionLength => [20, 75, 110, 151, 184, 224, 305, 458, 582, 891, 1053, 1484],
            Shape::Inputs => [0, 0, 0, 0, 0, 0, 0, 3, 8, 23, 32, 57],
            Shape::NativeInputs => [0, 0, 0, 0, 0, 1, 2, 4, 6, 14, 20, 41],
            Shape::PropagatedInputs => [0, 0, 0, 0, 0, 0, 1, 4, 7, 18, 23, 51],
            Shape::ArgumentsLength => [0, 0, 0, 0, 30, 72, 330, 923, 1524, 3592, 5062, 11637],
            Shape::ModulesUsed => [3, 7, 12, 16, 21, 29, 42, 67, 93, 141, 148, 154],
        }
    }
}

/// The number of packages in a file, as quantiles at [`AT`].
const PACKAGES_IN_A_FILE: [usize; 12] = [1, 1, 2, 4, 7, 12, 25, 79, 171, 971, 1915, 4568];
/// Packages and files that were measured.
const MEASURED: (usize, usize) = (30_894, 574);

/// Returns how many packages each file has, for that many in all.
pub fn packages_in_files(packages: usize) -> Vec<usize> {
    let files = (packages * MEASURED.1 / MEASURED.0).max(1);
    let mut counts: Vec<usize> =
        (0..files).map(|file| interpolate(&PACKAGES_IN_A_FILE, (file * 1000 + 500) / files).max(1)).collect();
    // The largest take what is missing or too much, as far as they can.
    let total: usize = counts.iter().sum();
    let scale = |count: usize| (count * packages / total.max(1)).max(1);
    counts.iter_mut().for_each(|count| *count = scale(*count));
    let total: usize = counts.iter().sum();
    if let Some(largest) = counts.last_mut() {
        *largest = (*largest + packages).saturating_sub(total).max(1);
    }
    // Large and small ones in turns: names that sort early are not all of small files.
    let half = counts.len() / 2;
    let (small, large) = counts.split_at(half);
    let mut mixed: Vec<usize> = Vec::with_capacity(files);
    for index in 0..large.len() {
        mixed.extend(large.get(index));
        mixed.extend(small.get(index));
    }
    mixed
}

/// The value at a place in thousandths, between two quantiles on a straight line.
fn interpolate(quantiles: &[usize; 12], thousandths: usize) -> usize {
    let pairs = AT.iter().zip(quantiles);
    let mut below = (0, 0);
    for (at, value) in pairs {
        if *at >= thousandths {
            let span = (at - below.0).max(1);
            return below.1 + (value - below.1.min(*value)) * (thousandths - below.0) / span;
        }
        below = (*at, *value);
    }
    below.1
}

/// A fixed sequence of numbers.
pub struct Draw(u64);

impl Draw {
    /// Returns its beginning.
    pub fn new() -> Draw {
        Draw(0x5851_f42d_4c95_7f2d)
    }

    /// Returns a number below another; 0 below 0.
    pub fn below(&mut self, end: usize) -> usize {
        // PCG's step, its upper half.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0).checked_rem(end).unwrap_or(0)
    }

    /// Returns a number below another; the first ones come up most.
    pub fn favouring_first(&mut self, end: usize) -> usize {
        let (a, b, c) = (self.below(end), self.below(end), self.below(end));
        a.min(b).min(c)
    }

    /// Returns a number distributed as what was measured.
    pub fn from(&mut self, shape: Shape) -> usize {
        let thousandths = self.below(1000);
        interpolate(&shape.quantiles(), thousandths)
    }
}
