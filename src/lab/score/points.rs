//! A text and the key points of a complete answer in, the share of points that it holds out. Shares no code with what is
//! measured.

use unicode_normalization::UnicodeNormalization;

use super::text::simplified;

/// A key point: the ways to put it, any of which counts.
pub type Point = Vec<String>;

/// The share of `points` that `text` holds, 0 to 1; 0 of none.
pub fn points(text: &str, points: &[Point]) -> f64 {
    let text = plain(text);
    let n_held = points.iter().filter(|ways| ways.iter().any(|way| holds(&text, way))).count();
    n_held as f64 / points.len().max(1) as f64
}

/// Letters and digits alone: NFKC, lower case, Traditional characters as Simplified ones. A point between digits is `·`,
/// which no figure of the other side begins or ends with; a comma between them is nothing.
fn plain(text: &str) -> Vec<char> {
    let text = simplified(&text.nfkc().collect::<String>().to_lowercase());
    let text: Vec<char> = text.chars().collect();
    let is_digit = |idx: Option<usize>| idx.and_then(|idx| text.get(idx)).is_some_and(|c| c.is_numeric());
    let keep = |(idx, &c): (usize, &char)| match c {
        '.' if is_digit(idx.checked_sub(1)) && is_digit(Some(idx + 1)) => Some('·'),
        '%' => Some('%'),
        c => c.is_alphanumeric().then_some(c),
    };
    text.iter().enumerate().filter_map(keep).collect()
}

/// Whether `text` holds `way`; a figure counts only where it stands whole.
fn holds(text: &[char], way: &str) -> bool {
    let way = plain(way);
    let (Some(first), Some(last)) = (way.first(), way.last()) else {
        return false;
    };
    text.windows(way.len()).enumerate().any(|(at, window)| {
        let before = at.checked_sub(1).map(|at| text[at]);
        let behind = text.get(at + way.len()).copied();
        let runs_on = |c: Option<char>| c.is_some_and(|c| c.is_numeric() || c == '·');
        window == way && !(first.is_numeric() && runs_on(before)) && !(last.is_numeric() && runs_on(behind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_held_in_any_of_its_ways_and_a_figure_only_whole() {
        let check = |text: &str, ways: &[&str], expected: bool| {
            let ways: Point = ways.iter().map(|way| (*way).to_owned()).collect();
            assert_eq!(points(text, &[ways]) == 1.0, expected, "{text}");
        };
        check("The quay cost 4,681 crowns.", &["4681"], true);
        check("The quay cost 14,681 crowns.", &["4681"], false);
        check("It cost 4,681.5 crowns.", &["4681"], false);
        check("It rose by 4.5 %.", &["4.5%"], true);
        check("It rose by 45 %.", &["4.5%"], false);
        check("碼頭在五月關閉", &["关闭码头", "码头在五月"], true);
        check("On Jan. 22 it closed.", &["January 22", "Jan 22"], true);
        check("Nothing", &[""], false);
    }
}
