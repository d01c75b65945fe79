//! The same items judged under two settings in, what the change did out.

use serde::Serialize;

use super::Z;

/// What became of a metric, over the items that both runs judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Paired {
    /// Items that both judged.
    pub n: usize,
    /// The mean of what each item gained; below 0 it lost.
    pub difference: f64,
    /// Its 95 % interval: the normal one of a mean of differences.
    pub ci95: [f64; 2],
    /// Items whose value rose.
    pub n_higher: usize,
    /// Items whose value fell.
    pub n_lower: usize,
}

/// Compares values before and after, one pair an item. `None` for no pair at all.
pub fn paired(pairs: &[(f64, f64)]) -> Option<Paired> {
    let n = pairs.len();
    if n == 0 {
        return None;
    }
    let gains: Vec<f64> = pairs.iter().map(|(before, after)| after - before).collect();
    let difference = gains.iter().sum::<f64>() / n as f64;
    let squares: f64 = gains.iter().map(|gain| (gain - difference).powi(2)).sum();
    let half = match n {
        // One item says nothing about the others.
        1 => f64::INFINITY,
        _ => Z * (squares / (n - 1) as f64 / n as f64).sqrt(),
    };
    Some(Paired {
        n,
        difference,
        ci95: [difference - half, difference + half],
        n_higher: gains.iter().filter(|gain| **gain > 0.0).count(),
        n_lower: gains.iter().filter(|gain| **gain < 0.0).count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_judged_by_what_it_changed() {
        // Gains 1, 0, 0, -1, 1: mean 0.2, variance 0.7.
        let pairs = [(0.0, 1.0), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0)];
        let found = paired(&pairs).unwrap();
        assert_eq!((found.n, found.n_higher, found.n_lower), (5, 2, 1));
        assert!((found.difference - 0.2).abs() < 1e-12);
        let half = 1.959_964 * (0.7f64 / 5.0).sqrt();
        assert!((found.ci95[0] - (0.2 - half)).abs() < 1e-9);
        assert!((found.ci95[1] - (0.2 + half)).abs() < 1e-9);
        assert_eq!(paired(&[]), None);
    }
}
