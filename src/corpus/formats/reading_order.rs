//! The glyphs of a page in, its lines in the order of reading out: columns one after another, by the white between them
//! (recursive X-Y cut, <https://doi.org/10.1109/ICDAR.1995.602059>).

/// A character where it is drawn: the left end of its base line, from the top left of the page, in points.
pub(super) struct Glyph {
    pub(super) text: String,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) size: f64,
}

/// A line of text, or a part of one with white on both sides.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) x0: f64,
    pub(super) x1: f64,
    /// Its base line.
    pub(super) y: f64,
    pub(super) size: f64,
    /// Whether it is the first of its column.
    pub(super) starts_block: bool,
    /// The left and right end of that column.
    pub(super) block_x0: f64,
    pub(super) block_x1: f64,
}

/// Whether a character is of a script that is written without blanks.
pub(super) fn is_wide(c: char) -> bool {
    c >= '\u{2e80}'
}

pub(super) fn lines(glyphs: Vec<Glyph>) -> Vec<Line> {
    let mut ordered = Vec::new();
    cut(parts(glyphs), 0, &mut ordered);
    ordered
}

/// The ten digits as superscripts.
const RAISED: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/// Glyphs that follow one another on a line, without wide gaps, as they were drawn.
fn parts(glyphs: Vec<Glyph>) -> Vec<Line> {
    let mut parts: Vec<Line> = Vec::new();
    for glyph in glyphs {
        let goes_on = parts.last().is_some_and(|part| {
            let em = part.size.max(glyph.size);
            (glyph.y - part.y).abs() < 0.5 * em && glyph.x > part.x1 - 0.6 * em && glyph.x < part.x1 + 1.5 * em
        });
        if !goes_on {
            let Glyph { x, y, size, .. } = glyph;
            parts.push(Line { x0: x, x1: x, y, size, ..Line::default() });
        }
        let Some(part) = parts.last_mut() else { continue };
        let first = glyph.text.chars().next().unwrap_or(' ');
        let gap = glyph.x - part.x1;
        let least = if part.text.ends_with(is_wide) || is_wide(first) { 0.6 } else { 0.16 };
        let is_behind_mark = part.text.ends_with(|c| RAISED.contains(c)) && first.is_alphabetic();
        if (gap > least * glyph.size || is_behind_mark)
            && !part.text.is_empty()
            && !part.text.ends_with(' ')
            && first != ' '
        {
            part.text.push(' ');
        }
        // A small raised digit is an exponent or the mark of a note, and no digit of the number before it.
        let is_raised = glyph.size < 0.8 * part.size && glyph.y < part.y - 0.15 * part.size;
        match first.to_digit(10).filter(|_| is_raised) {
            Some(digit) => part.text.extend(RAISED.chars().nth(digit as usize)),
            None => part.text.push_str(&glyph.text),
        }
        if glyph.size > part.size {
            (part.size, part.y) = (glyph.size, glyph.y);
        }
        part.x1 = part.x1.max(glyph.x + glyph.width);
    }
    parts.retain(|part| !part.text.trim().is_empty());
    parts
}

/// Adds the parts of one region to `out`, in order: cut between columns if it has some, else at its widest white from
/// side to side, else line by line.
fn cut(mut parts: Vec<Line>, depth: usize, out: &mut Vec<Line>) {
    const MAX_DEPTH: usize = 60;
    if depth < MAX_DEPTH && parts.len() > 1 {
        if let Some(x) = gutter(&parts) {
            let (left, right) = parts.into_iter().partition(|part| part.x0 < x);
            cut(left, depth + 1, out);
            return cut(right, depth + 1, out);
        }
        if let Some(y) = widest_white(&mut parts) {
            let (above, below) = parts.into_iter().partition(|part| part.y < y);
            cut(above, depth + 1, out);
            return cut(below, depth + 1, out);
        }
    }
    leaf(parts, out);
}

/// Where a region falls into columns of text: white from its top to its foot, with several lines on both sides that are
/// long enough to be text.
fn gutter(parts: &[Line]) -> Option<f64> {
    let mut spans: Vec<(f64, f64)> = parts.iter().map(|part| (part.x0, part.x1)).collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut end = spans[0].1;
    let mut best: Option<(f64, f64)> = None;
    for &(x0, x1) in &spans {
        if x0 > end && best.is_none_or(|(width, _)| x0 - end > width) {
            best = Some((x0 - end, (x0 + end) / 2.0));
        }
        end = end.max(x1);
    }
    let (width, x) = best?;
    let is_text = |is_left: bool| {
        let side = || parts.iter().filter(move |part| (part.x0 < x) == is_left);
        let n_long = side().filter(|part| part.x1 - part.x0 > 10.0 * part.size).count();
        n_long >= 3 && n_long * 2 >= side().count()
    };
    let em = parts.iter().map(|part| part.size).sum::<f64>() / parts.len() as f64;
    (width > 0.8 * em && is_text(true) && is_text(false)).then_some(x)
}

/// The middle of the widest horizontal white, when it is wider than that between lines.
fn widest_white(parts: &mut [Line]) -> Option<f64> {
    parts.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut gaps: Vec<(f64, f64)> =
        parts.windows(2).map(|pair| (pair[1].y - pair[0].y, (pair[0].y + pair[1].y) / 2.0)).collect();
    gaps.retain(|(gap, _)| *gap > 0.3);
    let widest = gaps.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0))?;
    gaps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let usual = gaps[gaps.len() / 2].0;
    (gaps.len() > 1 && widest.0 > 1.25 * usual).then_some(widest.1)
}

/// The lines of a region without columns: parts on one base line are one line.
fn leaf(mut parts: Vec<Line>, out: &mut Vec<Line>) {
    parts.sort_by(|a, b| a.y.total_cmp(&b.y));
    let block_x0 = parts.iter().map(|part| part.x0).fold(f64::MAX, f64::min);
    let block_x1 = parts.iter().map(|part| part.x1).fold(f64::MIN, f64::max);
    let first = out.len();
    let mut row: Vec<Line> = Vec::new();
    let mut end_row = |row: &mut Vec<Line>| {
        row.sort_by(|a, b| a.x0.total_cmp(&b.x0));
        let Some(line) = row.drain(..).reduce(|a, b| {
            let glue = if b.x0 - a.x1 > 0.16 * b.size && !a.text.ends_with(' ') { " " } else { "" };
            Line { text: format!("{}{glue}{}", a.text, b.text), x1: b.x1.max(a.x1), size: a.size.max(b.size), ..a }
        }) else {
            return;
        };
        out.push(Line { block_x0, block_x1, ..line });
    };
    for part in parts {
        if row.last().is_some_and(|last| part.y - last.y > 0.4 * last.size.max(part.size)) {
            end_row(&mut row);
        }
        row.push(part);
    }
    end_row(&mut row);
    if let Some(line) = out.get_mut(first) {
        line.starts_block = true;
    }
}
