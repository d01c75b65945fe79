//! The cells of a table in, its rows as one run of words each out: `Halden: visitors 1,204; beds 38`. Knows rows and the
//! names above columns; what a cell says it does not know.

use super::shape::width;

/// The widest cell of a table that is made of facts; wider ones lay out a page.
const WIDEST_CELL: usize = 200;

/// Whether these rows are a table of facts.
pub(super) fn is_data(rows: &[Vec<String>]) -> bool {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let full = rows.iter().filter(|row| row.len() >= 2).count();
    rows.len() >= 2
        && n_columns >= 2
        && full * 2 > rows.len()
        && rows.iter().flatten().all(|cell| width(cell) <= WIDEST_CELL)
}

/// Each row in words. The first row names the columns when `has_heads` says so, or when only it has no figures in columns
/// that are figures below.
pub(super) fn rows(rows: &[Vec<String>], has_heads: bool) -> Vec<String> {
    let has_digit = |cell: &String| cell.chars().any(char::is_numeric);
    let named = has_heads
        || rows.split_first().is_some_and(|(first, below)| {
            let figures = |n: usize| below.iter().filter_map(|row| row.get(n)).all(has_digit);
            first.len() >= 2
                && below.len() >= 2
                && !first.iter().any(has_digit)
                && (1..first.len()).any(figures)
                && below.iter().all(|row| row.len() == first.len())
        });
    let heads: &[String] = if named { &rows[0] } else { &[] };
    rows[usize::from(named)..].iter().map(|row| in_words(row, heads)).collect()
}

fn in_words(row: &[String], heads: &[String]) -> String {
    // A cell over several columns moves the others: no name is better than a wrong one.
    let heads = if heads.len() == row.len() { heads } else { &[] };
    let [first, rest @ ..] = row else {
        return String::new();
    };
    let cells: Vec<String> = rest
        .iter()
        .enumerate()
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(n, cell)| match heads.get(n + 1).filter(|head| !head.is_empty()) {
            Some(head) => format!("{head} {cell}"),
            None => cell.clone(),
        })
        .collect();
    match (first.is_empty(), cells.is_empty()) {
        (true, _) => cells.join("; "),
        (_, true) => first.clone(),
        _ => format!("{first}: {}", cells.join("; ")),
    }
}
