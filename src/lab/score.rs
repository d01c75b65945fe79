//! Outcomes in, figures with their uncertainty out. Shares no code with what is measured.

use serde::Serialize;

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
        return Metric {
            value: 0.0,
            ci95: [0.0, 1.0],
        };
    }
    let p = n_true / n;
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let (middle, scale) = (p + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
    Metric {
        value: p,
        ci95: [
            ((middle - spread) / scale).max(0.0),
            ((middle + spread) / scale).min(1.0),
        ],
    }
}

/// The mean of values between 0 and 1, with the normal interval of a mean.
pub fn mean(values: &[f64]) -> Metric {
    let n = values.len() as f64;
    if values.is_empty() {
        return Metric {
            value: 0.0,
            ci95: [0.0, 1.0],
        };
    }
    let mean = values.iter().sum::<f64>() / n;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / (n - 1.0).max(1.0);
    let half = Z * (variance / n).sqrt();
    Metric {
        value: mean,
        ci95: [(mean - half).max(0.0), (mean + half).min(1.0)],
    }
}

/// How often the article stands among the first `k`; `ranks` count from 0, and `None` was not found.
pub fn recall_at(k: usize, ranks: &[Option<usize>]) -> Metric {
    share(ranks.iter().map(|rank| rank.is_some_and(|rank| rank < k)))
}

/// Mean reciprocal rank.
pub fn mrr(ranks: &[Option<usize>]) -> Metric {
    let reciprocal = |rank: &Option<usize>| rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64);
    mean(&ranks.iter().map(reciprocal).collect::<Vec<f64>>())
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
    fn ranks_count_from_the_first_hit() {
        let ranks = [Some(0), Some(4), Some(5), None];
        assert_eq!(recall_at(1, &ranks).value, 0.25);
        assert_eq!(recall_at(5, &ranks).value, 0.5);
        assert_eq!(recall_at(10, &ranks).value, 0.75);
        let expected = (1.0 + 1.0 / 5.0 + 1.0 / 6.0) / 4.0;
        assert!((mrr(&ranks).value - expected).abs() < 1e-12);
        assert_eq!(mean(&[]).ci95, [0.0, 1.0]);
    }
}
