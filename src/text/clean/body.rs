//! The blocks and elements of a web page in, the reason of each block that is not the article out. Knows where running text
//! gathers, how much of it is links, where the headline stands, and what tags say of themselves; knows no site.

use super::elements::Evidence;
use super::html::{Block, Element};
use super::shape::{ends_sentence, width};
use super::tidy;
use crate::text::fold::fold_str;
use crate::text::{BlockKind, Reason};

/// What is known of each element, its descendants included.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Columns of running text.
    prose: usize,
    /// Columns of all text.
    all: usize,
    /// Columns of links.
    links: usize,
}

/// The reason of each block, none for those of the article.
pub(super) fn reasons(blocks: &[Block], elements: &[Element], title: Option<&str>) -> Vec<Option<Reason>> {
    let columns: Vec<usize> = blocks.iter().map(|block| width(block.words.text.trim())).collect();
    let is_prose: Vec<bool> = blocks.iter().zip(&columns).map(|(block, &columns)| is_prose(block, columns)).collect();
    let prose_columns = |n: usize| if is_prose[n] { columns[n] } else { 0 };
    let all_prose: usize = (0..blocks.len()).map(prose_columns).sum();
    // A headline has the article below it.
    let headline = headline(blocks, title).filter(|&at| (0..at).map(prose_columns).sum::<usize>() * 2 <= all_prose);
    let mut sums = vec![Sums::default(); elements.len()];
    for (n, block) in blocks.iter().enumerate() {
        let sum = &mut sums[block.element];
        sum.all += columns[n];
        sum.links += block.link_columns.min(columns[n]);
        sum.prose += prose_columns(n);
    }
    for n in (1..elements.len()).rev() {
        let Sums { prose, all, links } = sums[n];
        let parent = &mut sums[elements[n].parent];
        (parent.prose, parent.all, parent.links) = (parent.prose + prose, parent.all + all, parent.links + links);
    }
    let mut holds_headline = vec![false; elements.len()];
    let mut at = headline.map_or(0, |n| blocks[n].element);
    while at != 0 {
        holds_headline[at] = true;
        at = elements[at].parent;
    }
    // What the tags around a block say, where it can be true: nobody wraps the article in an advert.
    let mut furniture: Vec<Option<Reason>> = vec![None; elements.len()];
    for n in 1..elements.len() {
        let own = elements[n].evidence.filter(|&(reason, evidence)| {
            let holds_most = sums[n].prose * 2 > sums[0].prose
                && !(reason == Reason::Comments && sums[0].prose - sums[n].prose > LEAST_ARTICLE);
            evidence == Evidence::Sure || !(holds_headline[n] || holds_most)
        });
        furniture[n] = furniture[elements[n].parent].or(own.map(|(reason, _)| reason));
    }
    let inside = region(blocks, elements, &columns, &is_prose, &sums, &furniture, &holds_headline);
    let mut reasons: Vec<Option<Reason>> = blocks
        .iter()
        .enumerate()
        .map(|(n, block)| {
            let is_above = headline.is_some_and(|headline| n < headline);
            let is_links = block.link_columns * 10 > columns[n] * 8 && block.kind != BlockKind::Heading;
            match furniture[block.element] {
                Some(reason) => Some(reason),
                None if !inside[block.element] || is_above || is_links => Some(Reason::Navigation),
                None => None,
            }
        })
        .collect();
    trim(blocks, &columns, &is_prose, &mut reasons);
    reasons
}

/// An article has at least so many columns of running text.
const LEAST_ARTICLE: usize = 600;

/// Whether a block reads like running text.
fn is_prose(block: &Block, columns: usize) -> bool {
    let text = &block.words.text;
    let has_stops =
        columns >= 40 && ends_sentence(text) || columns >= 140 && text.contains([',', '.', '，', '。', '、', '؛', '،']);
    has_stops && block.link_columns * 3 < columns && block.kind != BlockKind::Heading
}

/// The block that is the headline: the heading that says what the title says.
fn headline(blocks: &[Block], title: Option<&str>) -> Option<usize> {
    let title = fold_str(title?);
    let is_it = |block: &Block| {
        let text = fold_str(&tidy(&block.words.text));
        let columns = width(&text);
        columns * 2 >= width(&title) && columns <= 300 && (title.contains(&text) || text.contains(&title))
    };
    let headings = |block: &&(usize, &Block)| block.1.kind == BlockKind::Heading;
    let found = blocks.iter().enumerate().filter(|block| headings(&block)).find(|(_, block)| is_it(block));
    found.or_else(|| blocks.iter().enumerate().find(|(_, block)| is_it(block))).map(|(n, _)| n)
}

/// Which elements are the article's: the one where running text gathers, and what beside it is of the same kind.
fn region(
    blocks: &[Block],
    elements: &[Element],
    columns: &[usize],
    is_prose: &[bool],
    sums: &[Sums],
    furniture: &[Option<Reason>],
    holds_headline: &[bool],
) -> Vec<bool> {
    const REACH: usize = 4;
    let mut scores = vec![0.0; elements.len()];
    for (n, block) in blocks.iter().enumerate().filter(|&(n, block)| is_prose[n] && furniture[block.element].is_none())
    {
        let is_paragraph = matches!(
            elements[block.element].name.as_str(),
            "p" | "li" | "dd" | "dt" | "pre" | "blockquote" | "h1" | "h2" | "h3"
        );
        let mut element = if is_paragraph { elements[block.element].parent } else { block.element };
        let mut share = columns[n] as f64;
        for _ in 0..REACH {
            scores[element] += share;
            share /= 2.0;
            element = elements[element].parent;
        }
    }
    let best = (0..elements.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a))).unwrap_or(0);
    // Who is inside: the best element, and siblings on the way up that hold running text and little else.
    let mut accepted = vec![false; elements.len()];
    accepted[best] = true;
    let mut top = best;
    while top != 0 && !holds_headline[top] {
        let parent = elements[top].parent;
        let is_sibling = |&n: &usize| elements[n].parent == parent && n != top && furniture[n].is_none();
        for sibling in (1..elements.len()).filter(is_sibling) {
            let sum = sums[sibling];
            let is_alike =
                sum.prose * 10 >= sum.all * 6 && sum.links * 4 <= sum.all && sum.prose * 20 >= sums[best].prose;
            accepted[sibling] |= is_alike;
        }
        top = parent;
    }
    let mut inside = vec![false; elements.len()];
    for n in 1..elements.len() {
        inside[n] = accepted[n] || inside[elements[n].parent];
    }
    if sums[0].prose == 0 || best == 0 {
        inside.fill(true);
    }
    inside
}

/// Sets aside what stands above the first paragraph or below the last and is no sentence.
fn trim(blocks: &[Block], columns: &[usize], is_prose: &[bool], reasons: &mut [Option<Reason>]) {
    let kept = |n: &usize| reasons[*n].is_none() && is_prose[*n];
    let Some(first) = (0..blocks.len()).find(kept) else {
        return;
    };
    let last = (0..blocks.len()).rev().find(kept).unwrap_or(first);
    for n in (0..first).chain(last + 1..blocks.len()).filter(|&n| columns[n] <= 120) {
        let is_part = blocks[n].kind == BlockKind::ListItem || blocks[n].kind == BlockKind::Heading && n < first;
        if reasons[n].is_none() && !ends_sentence(&blocks[n].words.text) && !is_part {
            reasons[n] = Some(if n < first { Reason::Metadata } else { Reason::Navigation });
        }
    }
}
