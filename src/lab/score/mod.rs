//! Outcomes in, figures with their uncertainty out. Shares no code with what is measured.

use serde::Serialize;

pub mod paired;
pub mod points;
pub mod summary;
pub mod text;

/// A figure and the interval that holds its true value in 95 of 100 samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Metric {
    /// The figure, 0 to 1.
    pub value: f64,
    /// Its interval.
    pub ci95: [f64; 2],
}

/// The normal quantile of 97.5 %.
const Z: f64 = 1.959_964;

/// The share of outcomes that are true, with Wilson's score interval, which is good for shares near 0 and 1 too.
/// No outcome at all says nothing: 0 to 1.
pub fn share(outcomes: impl IntoIterator<Item = bool>) -> Metric {
    let (mut n, mut n_true) = (0.0, 0.0);
    for outcome in outcomes {
        n += 1.0;
        n_true += f64::from(u8::from(outcome));
    }
    if n == 0.0 {
        return Metric { value: 0.0, ci95: [0.0, 1.0] };
    }
    let p = n_true / n;
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let (middle, scale) = (p + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
    Metric { value: p, ci95: [((middle - spread) / scale).max(0.0), ((middle + spread) / scale).min(1.0)] }
}

/// The mean of values: of outcomes that are 0 or 1 their [`share`], of others the normal interval, which does not leave
/// 0 to 1 when no value does.
pub fn mean(values: &[f64]) -> Metric {
    if values.iter().all(|value| *value == 0.0 || *value == 1.0) {
        return share(values.iter().map(|value| *value == 1.0));
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let half = Z * (variance / n).sqrt();
    let is_share = values.iter().all(|value| (0.0..=1.0).contains(value));
    let most = if is_share { 1.0 } else { f64::INFINITY };
    Metric { value: mean, ci95: [(mean - half).max(0.0), (mean + half).min(most)] }
}

/// The value that 95 of 100 values stay below; its interval is made of the values whose ranks chance could have put in
/// its place. 0 for no value at all.
pub fn p95(values: &[f64]) -> Metric {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let spread = Z * (n * 0.95 * 0.05).sqrt();
    let at = |rank: f64| {
        let idx = (rank.max(0.0) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(idx).copied().unwrap_or_default()
    };
    Metric { value: at(0.95 * n), ci95: [at(0.95 * n - spread), at(0.95 * n + spread)] }
}

/// The chance that a thing that is true has a higher score than one that is not, a tie counting half, with the interval
/// of Hanley and McNeil (Radiology 1982, 143: 29-36). `None` when all are true or none is.
pub fn auc(scored: &[(f64, bool)]) -> Option<Metric> {
    let of = |wanted: bool| -> Vec<f64> {
        let own = scored.iter().filter(|(_, is_true)| *is_true == wanted);
        own.map(|(score, _)| *score).collect()
    };
    let (high, low) = (of(true), of(false));
    let pairs = (high.len() * low.len()) as f64;
    if pairs == 0.0 {
        return None;
    }
    let wins = high.iter().flat_map(|a| low.iter().map(move |b| (a, b)));
    let wins = wins.map(|(a, b)| f64::from(a > b) + 0.5 * f64::from(a == b));
    let area = wins.sum::<f64>() / pairs;
    let (q1, q2) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
    let variance = area * (1.0 - area)
        + (high.len() as f64 - 1.0) * (q1 - area * area)
        + (low.len() as f64 - 1.0) * (q2 - area * area);
    let half = Z * (variance.max(0.0) / pairs).sqrt();
    Some(Metric { value: area, ci95: [(area - half).max(0.0), (area + half).min(1.0)] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metric: Metric, value: f64, ci95: [f64; 2]) {
        let found = [metric.value, metric.ci95[0], metric.ci95[1]];
        for (found, expected) in found.iter().zip([value, ci95[0], ci95[1]]) {
            assert!((found - expected).abs() < 5e-4, "{metric:?}");
        }
    }

    #[test]
    fn shares_have_the_interval_of_wilson() {
        // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        let of = |n_true: usize, n: usize| share((0..n).map(|i| i < n_true));
        check(of(81, 263), 0.3080, [0.2553, 0.3662]);
        check(of(15, 148), 0.1014, [0.0624, 0.1605]);
        check(of(0, 20), 0.0, [0.0, 0.1611]);
        check(of(1, 29), 0.0345, [0.0061, 0.1718]);
        check(of(0, 0), 0.0, [0.0, 1.0]);
    }

    #[test]
    fn means_have_the_interval_of_what_they_are_means_of() {
        check(mean(&[0.0, 1.0, 1.0, 1.0]), 0.75, [0.3006, 0.9544]);
        // Variance 1/12 over 3.
        check(mean(&[0.25, 0.5, 0.75]), 0.5, [0.5 - 0.2829, 0.5 + 0.2829]);
        check(mean(&[1.0, 1.0, 0.5]), 0.8333, [0.5067, 1.0]);
        check(mean(&[10.0, 30.0]), 20.0, [0.4004, 39.5996]);
    }

    #[test]
    fn the_slow_end_is_the_value_that_95_of_100_stay_below() {
        let values: Vec<f64> = (0..100).rev().map(f64::from).collect();
        // Ranks 95 ± 4.27.
        check(p95(&values), 95.0, [90.0, 99.0]);
        check(p95(&[7.0]), 7.0, [7.0, 7.0]);
    }

    #[test]
    fn the_area_counts_pairs_in_the_right_order() {
        // Of six pairs four are in order and one is a tie.
        let scored = [(0.9, true), (0.5, true), (0.5, false), (0.3, true), (0.4, false)];
        let found = auc(&scored).unwrap();
        assert!((found.value - 3.5 / 6.0).abs() < 1e-12, "{found:?}");
        // q1 = .41176, q2 = .42982; variance (.24306 + 2 * .07149 + .08955) / 6.
        let half = 1.959_964 * (0.475_579f64 / 6.0).sqrt();
        assert!((found.ci95[0] - (3.5 / 6.0 - half)).abs() < 1e-3);
        assert_eq!(auc(&[(1.0, true)]), None);
    }
}
