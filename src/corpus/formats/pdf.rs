//! A PDF in, its paragraphs in reading order out: hyphens at line ends rejoined, what stands at the head or foot of every
//! page set aside. Reads no pictures: a scan says that it is one.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use encoding_rs::{BIG5, EUC_KR, Encoding, GB18030, SHIFT_JIS, UTF_16BE};
use hayro_interpret::font::{Glyph as Drawn, GlyphRun};
use hayro_interpret::hayro_cmap::{BfString, WritingMode};
use hayro_interpret::kurbo::{Affine, BezPath, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, TransformExt, interpret_page,
};
use hayro_syntax::object::{Dict, Name};
use hayro_syntax::page::Page;
use hayro_syntax::{LoadPdfError, Pdf};

use super::reading_order::{Glyph, Line, is_wide, lines};
use crate::corpus::source::Problem;
use crate::text::wrap::Words;
use crate::text::{Format, RawArticle, Reason, SetAside};

/// A longer document is read as far as this, and says so.
const MAX_PAGES: usize = 3_000;
/// A page with fewer letters has none: a number, a stamp.
const LEAST_LETTERS: usize = 20;

pub(super) fn article(bytes: &[u8]) -> Result<RawArticle, Problem> {
    // The parsers below are made of safe code, which may still meet a page that its makers did not expect.
    let read = catch_unwind(AssertUnwindSafe(|| read(bytes)));
    read.unwrap_or_else(|_| Err(Problem::Record("the PDF is damaged".to_owned())))
}

fn read(bytes: &[u8]) -> Result<RawArticle, Problem> {
    let pdf = Pdf::new(bytes.to_vec()).map_err(|error| match error {
        LoadPdfError::Decryption(_) => Problem::Encrypted,
        LoadPdfError::Invalid => Problem::Record("the PDF is damaged".to_owned()),
    })?;
    let cache = InterpreterCache::new();
    let mut pages = Vec::new();
    let (mut n_pictures, mut n_letters) = (0, 0);
    for page in pdf.pages().iter().take(MAX_PAGES) {
        let transform = page.initial_transform(true).to_kurbo();
        let (width, height) = page.render_dimensions();
        let area = Rect::new(0.0, 0.0, width.into(), height.into());
        let mut context = Context::new(transform, area, &cache, pdf.xref(), InterpreterSettings::default());
        let mut sheet = Sheet { width: width.into(), codes: codes_of(page), ..Sheet::default() };
        interpret_page(page, &mut context, &mut sheet);
        n_pictures += sheet.n_pictures;
        n_letters += sheet.glyphs.iter().filter(|glyph| glyph.text.contains(char::is_alphabetic)).count();
        pages.push(lines(sheet.glyphs));
    }
    if n_letters < LEAST_LETTERS * pages.len().clamp(1, 10) {
        return Err(if n_pictures > 0 { Problem::Scan { pages: pages.len() } } else { Problem::NoText });
    }
    let set_aside = take_heads(&mut pages);
    let text = paragraphs(&pages);
    let stated = |bytes: &Option<Box<[u8]>>| bytes.as_deref().map(pdf_text).filter(|text| is_fact(text));
    let facts = pdf.metadata();
    Ok(RawArticle {
        title: stated(&facts.title).or_else(|| largest(&pages)),
        byline: stated(&facts.author),
        set_aside,
        ..RawArticle::new("", text, Format::Plain)
    })
}

/// What a page draws, as far as it is text.
#[derive(Default)]
struct Sheet {
    glyphs: Vec<Glyph>,
    n_pictures: usize,
    width: f64,
    /// How the codes of a font that does not say so are read.
    codes: Option<&'static Encoding>,
}

impl Device<'_> for Sheet {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}

    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {
        self.n_pictures += 1;
    }

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, _: &DrawMode) {
        for drawn in run.glyphs() {
            let text = match drawn.as_unicode() {
                Some(BfString::Char(c)) => c.to_string(),
                Some(BfString::String(text)) => text,
                None => self.codes.map(|codes| decoded(drawn.char_code(), codes)).unwrap_or_default(),
            };
            let [a, b, c, d, x, y] = (props.transform * drawn.transform() * Affine::scale(1000.0)).as_coeffs();
            let (across, size) = (a.hypot(b), c.hypot(d));
            // Turned text is a stamp in the margin or the label of an axis.
            if text.is_empty() || b.abs() > across * 0.3 || !(x.is_finite() && y.is_finite() && size > 0.0) {
                continue;
            }
            let advance = match &**drawn {
                Drawn::Outline(glyph) => glyph.advance_width(),
                Drawn::Type3(glyph) => glyph.advance_width(),
            };
            let width = f64::from(advance.unwrap_or(500.0)) / 1000.0 * across;
            // Columns of vertical writing are lines, the right one first.
            self.glyphs.push(match run.writing_mode() {
                WritingMode::Horizontal => Glyph { text, x, y, width, size },
                WritingMode::Vertical => Glyph { text, x: y, y: self.width - x, width: size, size },
            });
        }
    }
}

/// How the codes of the page's fonts are to be read that have no table of characters: by the name of their encoding.
fn codes_of(page: &Page<'_>) -> Option<&'static Encoding> {
    const NAMES: &[(&str, &Encoding)] = &[
        ("Uni", UTF_16BE),
        ("GB", GB18030),
        ("B5", BIG5),
        ("ETen", BIG5),
        ("HKscs", BIG5),
        ("90", SHIFT_JIS),
        ("KSC", EUC_KR),
    ];
    let fonts = &page.resources().fonts;
    let mut encodings = fonts.keys().filter_map(|key| {
        let name = fonts.get::<Dict<'_>>(&*key)?.get::<Name<'_>>(&b"Encoding"[..])?;
        let name = String::from_utf8_lossy(&name).into_owned();
        NAMES.iter().find(|(start, _)| name.starts_with(start)).map(|it| it.1)
    });
    encodings.next()
}

fn decoded(code: u32, codes: &'static Encoding) -> String {
    let bytes = code.to_be_bytes();
    let first = if codes == UTF_16BE { 2 } else { bytes.iter().position(|&byte| byte != 0).unwrap_or(3) };
    let text = codes.decode_without_bom_handling(&bytes[first..]).0;
    if text.contains('\u{fffd}') { String::new() } else { text.into_owned() }
}

/// A string of a PDF: UTF-16 or UTF-8 with a mark, else Latin.
fn pdf_text(bytes: &[u8]) -> String {
    let encoding = Encoding::for_bom(bytes).map_or(encoding_rs::WINDOWS_1252, |(encoding, _)| encoding);
    encoding.decode_with_bom_removal(bytes).0.trim().to_owned()
}

/// Whether what a document says of itself was written by a person, and not left there by a program.
fn is_fact(text: &str) -> bool {
    let lower = text.to_lowercase();
    let is_file = [".doc", ".docx", ".indd", ".qxd", ".tex", ".dvi", ".pdf", ".wps", ".odt"]
        .iter()
        .any(|end| lower.ends_with(end));
    !text.is_empty()
        && !is_file
        && !lower.starts_with("microsoft word")
        && !matches!(&*lower, "untitled" | "anonymous" | "user" | "admin")
}

/// The lines of the first page in its largest letters, if they are larger than those of most of the text.
fn largest(pages: &[Vec<Line>]) -> Option<String> {
    let body = usual(pages, |line| line.size);
    let first = pages.iter().find(|page| !page.is_empty())?;
    let size = first.iter().map(|line| line.size).fold(0.0, f64::max);
    let title: Vec<&str> = first.iter().filter(|line| line.size > size * 0.97).map(|line| line.text.trim()).collect();
    (size > body * 1.2 && title.len() <= 4).then(|| title.join(" "))
}

/// The value that most letters have.
fn usual(pages: &[Vec<Line>], value: impl Fn(&Line) -> f64) -> f64 {
    let mut counts: HashMap<i64, usize> = HashMap::new();
    for line in pages.iter().flatten() {
        *counts.entry((value(line) * 10.0).round() as i64).or_default() += line.text.len();
    }
    let most = counts.into_iter().max_by_key(|&(value, n)| (n, value));
    most.map_or(10.0, |(value, _)| value as f64 / 10.0)
}

/// Takes the lines at the top and the foot of pages that other pages repeat, and page numbers.
fn take_heads(pages: &mut [Vec<Line>]) -> Vec<SetAside> {
    const N_EDGE: usize = 3;
    // Numbers differ from page to page.
    let print = |line: &Line| {
        line.text.split_whitespace().map(|word| word.replace(|c: char| c.is_ascii_digit(), "#")).collect::<String>()
    };
    let at_edge = |page: &[Line]| -> Vec<usize> {
        let mut by_height: Vec<usize> = (0..page.len()).collect();
        by_height.sort_by(|&a, &b| page[a].y.total_cmp(&page[b].y));
        let n = page.len();
        by_height
            .iter()
            .enumerate()
            .filter(|(rank, _)| *rank < N_EDGE || rank + N_EDGE >= n)
            .map(|(_, &idx)| idx)
            .collect()
    };
    let mut counts: HashMap<String, usize> = HashMap::new();
    for page in pages.iter() {
        let mut prints: Vec<String> = at_edge(page).into_iter().map(|idx| print(&page[idx])).collect();
        prints.sort();
        prints.dedup();
        prints.into_iter().for_each(|print| *counts.entry(print).or_default() += 1);
    }
    let n_pages = pages.len();
    let mut taken = Vec::new();
    for page in pages.iter_mut() {
        let edge = at_edge(page);
        let mut idx = 0;
        page.retain(|line| {
            let is_edge = edge.contains(&idx);
            idx += 1;
            let print = print(line);
            // Heads of left and right pages differ, and a chapter has its own.
            let is_repeated = n_pages > 1 && counts.get(&print).is_some_and(|&n| n >= 2 && n * 5 >= n_pages);
            let is_number = print.contains('#')
                && print.chars().all(|c| matches!(c, '#' | '-' | '–' | '—' | '/' | '第' | '页' | '頁' | '共' | '|'));
            let reason = if is_number { Reason::Metadata } else { Reason::Repeated };
            let is_taken = is_edge && (is_repeated || is_number);
            if is_taken {
                taken.push(SetAside { reason, start: 0, end: 0, text: line.text.trim().to_owned() });
            }
            !is_taken
        });
    }
    taken
}

/// The lines of all pages as paragraphs, an empty line between them.
fn paragraphs(pages: &[Vec<Line>]) -> String {
    let words = Words::of(pages.iter().flatten().map(|line| line.text.as_str()));
    let body = usual(pages, |line| line.size);
    let mut leadings: Vec<f64> = Vec::new();
    for pair in pages.iter().flat_map(|page| page.windows(2)) {
        let gap = pair[1].y - pair[0].y;
        if gap > 0.0 && gap < 3.0 * body && !pair[1].starts_block {
            leadings.push(gap);
        }
    }
    leadings.sort_by(f64::total_cmp);
    let leading = leadings.get(leadings.len() / 3).copied().unwrap_or(body * 1.2);
    let mut text = String::new();
    let mut before: Option<&Line> = None;
    for line in pages.iter().flatten() {
        match before {
            None => text.push_str(line.text.trim()),
            Some(before) if is_break(before, line, leading) => {
                text.push_str("\n\n");
                text.push_str(line.text.trim());
            }
            Some(_) => words.join(&mut text, line.text.trim()),
        }
        before = Some(line);
    }
    text
}

/// Whether a paragraph ends between two lines that follow one another.
fn is_break(a: &Line, b: &Line, leading: f64) -> bool {
    let ends = a.text.trim_end().ends_with(['.', '!', '?', '。', '！', '？', ':', '：', '”', '"', '」', '』']);
    let same_size = (a.size - b.size).abs() < 0.12 * a.size;
    let gap = b.y - a.y;
    if gap <= 0.0 || b.starts_block || gap > 3.0 * leading {
        // A paragraph runs on over the end of a column or a page.
        let first = b.text.trim_start().chars().next().unwrap_or(' ');
        let runs_on = !ends && same_size && (first.is_lowercase() || is_wide(first));
        return !runs_on;
    }
    let em = a.size;
    let is_indented = b.x0 > a.x0 + 0.9 * em && b.x0 > b.block_x0 + 0.9 * em;
    let is_short = a.x1 < a.block_x1 - 0.15 * (a.block_x1 - a.block_x0);
    !same_size || gap > 1.35 * leading || is_indented || ends && is_short
}
